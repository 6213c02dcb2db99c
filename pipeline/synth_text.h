/* The text that a synthetic tokenizer is learnt over: Countdown traces of the train partition, the
   same in every build. Any thread. */
#ifndef PIPELINE_SYNTH_TEXT_H
#define PIPELINE_SYNTH_TEXT_H

#include "base/text.h"

/* E_MEMORY, E_LIMIT (out's). */
MUST_CHECK status synth_text(text *out, detail *err);

#endif
