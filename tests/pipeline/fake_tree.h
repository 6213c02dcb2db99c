/* A mode whose threads call for children by what they write, so that a test's script decides on
   all that happens.

   A thread that ends its sequence behind "<a,b,c>" calls children with the prompts a, b and c, the
   same prompt twice being a twin; "?" is nobody's, and "a*9" is nine of them. When all have ended,
   the call is cut and
   "[r;r;r]" fed in its place: what each wrote behind its last "=", or "-". At a stop string a
   thread goes on behind "<" in its place, with which a call may begin. A finisher asks whoever
   meets a limit. The root's answer is what it wrote behind its last "=".

   A question "2:prompt" lets two children run, and refuses others by the limit "children". */
#ifndef TESTS_FAKE_TREE_H
#define TESTS_FAKE_TREE_H

#include "solvers/mode.h"

extern const mode fake_tree_mode;
/* The same, and a child that returns something with a "!" in it ends its siblings. */
extern const mode fake_tree_first_mode;

/* How often a thread ended since there was no room for what it should have been fed. It must then
   be as it was before. */
extern int fake_tree_unfed;

#endif
