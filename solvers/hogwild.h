/* Mode `hogwild`: workers that write at once and read each other as they write (Hogwild! Inference,
   Rodionov et al. 2025, arXiv 2504.06261). In which order a worker sees what is there is its
   layout:

     contiguous   prompt, what the others wrote, a split, what it wrote. Nothing is ever done
     interleaved  prompt and the steps that are done, in the order in which they were; its own step
     combined     the same, then the others' unfinished steps between two headers, then its own
     independent  prompt, what it wrote: nobody sees anybody. The control

   A step that is done is committed: moved behind the others' as it is. It takes a protocol whose
   threads may be workers, which says in which words they are told who they are, what ends all of
   them, and whose answer counts. Any thread. */
#ifndef SOLVERS_HOGWILD_H
#define SOLVERS_HOGWILD_H

#include "solvers/option.h"

extern const mode hogwild_mode;

#endif
