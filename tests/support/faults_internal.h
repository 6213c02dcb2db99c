/* Private to the faults: the part that stands before the files. */
#ifndef TESTS_FAULTS_INTERNAL_H
#define TESTS_FAULTS_INTERNAL_H

void faults_install_files(void);

#endif
