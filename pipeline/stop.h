/* Stopping early. SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 ask for it: the samples in flight
   are finished and committed. A second SIGINT ends the process at once with exit code 75; what was
   committed stays. Signals belong to the process, hence the one hidden variable. */
#ifndef PIPELINE_STOP_H
#define PIPELINE_STOP_H

void stop_install(void); /* main thread, before others start */
int stop_signal(void);   /* the signal that asked, or 0; any thread */

#endif
