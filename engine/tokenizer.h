/* Tokenizers from the tokenizer.json of Hugging Face's `tokenizers`: text to ids and back, with the
   ids and the texts of that library. docs/tokenizers.md lists what is read; the rest is refused by
   name.

   A tokenizer is read-only once it is open: any threads may share it. An encoder and a decoder
   borrow it until they are closed and belong to one thread at a time each.

   Texts are well-formed UTF-8 (a zero byte is a character like any other); bytes that are not are
   refused with their place, since nobody can say which text they stood for. Memory: an encoder
   keeps what its longest text needed, a small multiple of its length. */
#ifndef ENGINE_TOKENIZER_H
#define ENGINE_TOKENIZER_H

#include "base/text.h"

enum {
  TOKENIZER_IDS_MAX = 1 << 22,   /* ids are below this */
  TOKENIZER_TEXT_MAX = 64 << 20, /* bytes of a text, to be encoded or decoded */
};

typedef struct tokenizer tokenizer;

/* Reads a file. E_INPUT with file and field; E_LIMIT; E_IO; E_MEMORY. */
MUST_CHECK status tokenizer_open(tokenizer **out, const char *path, detail *err);
/* The tokenizer.json of a model's folder. Where there is none but another form of one, the message
   says how to convert it. */
MUST_CHECK status tokenizer_open_folder(tokenizer **out, const char *folder, detail *err);
/* The same from bytes; name is for messages. Keeps neither. */
MUST_CHECK status tokenizer_read(tokenizer **out, const char *bytes, size_t count, const char *name,
                                 detail *err);
void tokenizer_close(tokenizer *t); /* NULL is a no-op */

/* One more than the highest id. Not every id below it need have a token. */
int32_t tokenizer_size(const tokenizer *t);
/* The id of a token as the file writes it (byte-level tokens in their letters); -1: there is none.
 */
int32_t tokenizer_find(const tokenizer *t, const char *name, size_t bytes);
/* Valid while t is open; NULL where no token has this id. */
const char *tokenizer_token(const tokenizer *t, int32_t id, size_t *bytes);
int tokenizer_is_special(const tokenizer *t, int32_t id); /* skipped by a decoder that says so */

/* Ids under construction; zeroed, it is empty. */
typedef struct token_list {
  int32_t *ids; /* [count] */
  size_t count, capacity;
  int64_t dropped; /* characters without a token in a tokenizer without an unknown one */
} token_list;
void token_list_close(token_list *list); /* leaves it empty */

typedef struct encoder encoder;

MUST_CHECK status encoder_open(encoder **out, const tokenizer *t, detail *err);
void encoder_close(encoder *e); /* NULL is a no-op */

/* What stands around a text: with_special adds the tokens of the post-processor (begin of sequence,
   and an end where the file has one). Special tokens within the text are met either way. */
typedef enum encoder_ends { ENCODE_PLAIN, ENCODE_WITH_SPECIAL } encoder_ends;

/* Appends the ids of a text. E_INPUT for bytes that are not UTF-8 and for what a tokenizer without
   an unknown token cannot write; E_LIMIT for a text of more than TOKENIZER_TEXT_MAX bytes, one that
   the file's rules make too long, or one on which its patterns do not come to an end; E_MEMORY.
   After an error the list holds what it held before. */
MUST_CHECK status encoder_encode(encoder *e, const char *bytes, size_t count, encoder_ends ends,
                                 token_list *list, detail *err);

typedef struct decoder decoder;

typedef enum decoder_special { DECODE_SKIP_SPECIAL, DECODE_KEEP_SPECIAL } decoder_special;

MUST_CHECK status decoder_open(decoder **out, const tokenizer *t, decoder_special special,
                               detail *err);
void decoder_close(decoder *d); /* NULL is a no-op */

/* Appends what has become certain with this id: whole characters only. What is put out for a list
   of ids, decoder_end's part included, is the library's decoding of the whole list, in which bytes
   that are no UTF-8 are U+FFFD. An id without a token decodes to nothing. E_INPUT for an id outside
   0 to TOKENIZER_IDS_MAX - 1; E_LIMIT when a token would have to be held that is too long;
   E_MEMORY; out's own limit. After an error only decoder_close may follow. */
MUST_CHECK status decoder_put(decoder *d, int32_t id, text *out, detail *err);
/* Appends what was held back. The next id starts another text. */
MUST_CHECK status decoder_end(decoder *d, text *out, detail *err);

/* A whole list at once. */
MUST_CHECK status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t count,
                                   decoder_special special, text *out, detail *err);

/* A tokenizer of ours: 256 bytes, a begin and an end, and merges learnt over a text (pairs that
   occur at least twice, the most frequent first, ties by the lower ids), filled up to size ids with
   tokens that no text has. Digits stand alone. Writes its tokenizer.json; the same text and size
   give the same bytes. E_INPUT when size is below 258 or at least TOKENIZER_IDS_MAX. */
MUST_CHECK status tokenizer_synth(text *out, const char *bytes, size_t count, int32_t size,
                                  detail *err);

#define TOKENIZER_SYNTH_BEGIN "<|begin|>"
#define TOKENIZER_SYNTH_END   "<|end|>"

#endif
