/* Mode `serial`: one thread writes all of it, as chains of thought, SoS and SoS+ do. Any thread. */
#ifndef SOLVERS_SERIAL_H
#define SOLVERS_SERIAL_H

#include "solvers/option.h"

extern const mode serial_mode;

#endif
