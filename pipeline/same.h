/* Whether a sample that was computed again is the one that is stored: in every promised column and
   bit, and where not, where first. Pure. */
#ifndef PIPELINE_SAME_H
#define PIPELINE_SAME_H

#include "store/store.h"

/* Appends a line for each difference, at most a screenful, "  thread 0: token 17 is 5, stored 9",
   and returns how many there are. stored is as stored_sample_read gives it. */
int same_differences(const store_sample *made, const store_sample *stored, text *out);

#endif
