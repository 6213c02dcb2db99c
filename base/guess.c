#include "base/guess.h"

#include <string.h>
#include <strings.h>

typedef struct signature {
  const char *start; /* in any case of letters */
  const char *says;
} signature;

static const char pointer[] = "this is a Git LFS pointer, which stands for the file: fetch that by "
                              "git lfs pull, or download it",
                  page[] = "this is an HTML page, as servers send for a wrong address or without a "
                           "login: download the file itself",
                  refusal[] = "this is a server's refusal and not the file: log in, or correct the "
                              "name, and download it again",
                  gguf[] =
                      "this is a GGUF file, which is not read: use the safetensors that it was "
                      "made from",
                  zip[] = "this is a zip archive, as PyTorch's .bin and .pth files are: a plain "
                          "file is needed (a checkpoint as safetensors)",
                  parquet[] = "this is a Parquet file, which is not read: write it as JSON lines";

static const signature signatures[] = {
    {"version https://git-lfs", pointer},
    {"<!doctype html", page},
    {"<html", page},
    {"Access to model ", refusal},
    {"Access to dataset ", refusal},
    {"Entry not found", refusal},
    {"Repository not found", refusal},
    {"Invalid username or password", refusal},
    {"GGUF", gguf},
    {"PK\x03\x04", zip},
    {"PAR1", parquet},
};

const char *guess_file(const char *bytes, size_t count) {
  if (count > GUESS_BYTES) count = GUESS_BYTES; /* however much of the file is at hand */
  while (count && strchr(" \t\r\n", *bytes) && *bytes) {
    bytes++;
    count--;
  }
  for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
    size_t length = strlen(signatures[i].start);
    if (count >= length && !strncasecmp(bytes, signatures[i].start, length)) {
      return signatures[i].says;
    }
  }
  return NULL;
}
