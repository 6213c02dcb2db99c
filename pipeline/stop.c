#include "pipeline/stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t asked;

static void on_signal(int number) {
  if (asked && number == SIGINT) _exit(75);
  asked = number;
}

void stop_install(void) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  (void)sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    (void)sigaction(numbers[i], &action, NULL);
  }
}

int stop_signal(void) {
  return asked;
}
