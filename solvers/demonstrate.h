/* Training records from a search: one JSON object a line for each sequence that a model would see,
   parent turns and children apart, so that they can be trained on as published (Pan et al. 2025).

   {"problem":7,"nums":[..],"target":27,"search":"apr","heuristic":"mult","beam":3,
    "order":"shuffled","child_beam":9,"path":"0","turn":1,"turns":2,"children":3,"solved":true,"tokens_ref":1146,
    "spans":[["prompt",0,55],["kept",55,310],["fed",365,480],["generated",845,201]],"text":"..."}

   spans: kind, start and length in bytes of text. prompt and fed come from outside the model, kept
   was generated in an earlier turn of the same thread, generated is new here. turns counts the
   sequences of the thread, children those of the whole problem; solved is the thread's; tokens_ref
   the published length with begin and end of sequence.

   Of workers (search hogwild) a record is a whole sample:

   {"problem":7,"nums":[..],"target":27,"search":"hogwild","heuristic":"mult","beam":3,
    "order":"shuffled","child_beam":9,"layout":"combined","workers":2,"solved":true,
    "answer_worker":1,"forwards":412,"prompt":"Current State: ..",
    "work":[[{"prefix":"W1/2\n","text":"Moving to Node #0\n...","tokens":57,"done":true},..],[..]],
    "ended":[true,false]}

   work: for each worker its steps: what it was fed, what it generated, how many tokens it sampled
   for it (an end of sequence not counted), and whether it came to the blank line that ends a step.
   ended: whether the worker's last step ends with an end of sequence; it was stopped or capped
   otherwise. answer_worker: from 1, null where no worker solved the problem. */
#ifndef SOLVERS_DEMONSTRATE_H
#define SOLVERS_DEMONSTRATE_H

#include "solvers/symbolic.h"

/* Appends the records of one problem. E_LIMIT and E_MEMORY are out's. */
MUST_CHECK status demonstrate_records(text *out, int64_t ordinal, const countdown_problem *p,
                                      const search_options *o, const search_result *r,
                                      arena *memory, detail *err);

#endif
