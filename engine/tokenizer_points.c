#include "engine/tokenizer_internal.h"

#include <utf8proc.h>

size_t point_read(const char *bytes, size_t count, int32_t *point) {
  unsigned char first = (unsigned char)bytes[0];
  if (first < 0x80) {
    *point = first;
    return 1;
  }
  utf8proc_ssize_t length =
      utf8proc_iterate((const utf8proc_uint8_t *)bytes, (utf8proc_ssize_t)count, point);
  REQUIRE(length > 0);
  return (size_t)length;
}

size_t point_write(int32_t point, char out[4]) {
  return (size_t)utf8proc_encode_char(point, (utf8proc_uint8_t *)out);
}

/* Unicode's White_Space, which has not changed for years. */
int point_is_space(int32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

int point_is_numeric(int32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  utf8proc_category_t category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO || unicode_newer_category(c)[0] == 'N' ||
         (c >= 0x11de0 && c <= 0x11de9) || (c >= 0x16ff4 && c <= 0x16ff6);
}

int point_is_punctuation(int32_t c) {
  if (c < 0x80) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  }
  utf8proc_category_t category = utf8proc_category(c);
  int is_known = category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
  /* Two have become punctuation no more, and are still in the library. */
  return (is_known && !unicode_is_late_punctuation(c)) || c == 0x166d || c == 0x111c9;
}

int point_is_mark(int32_t c) {
  if (c < 0x300) return 0;
  utf8proc_category_t category = utf8proc_category(c);
  int is_known = category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
  return (is_known && !unicode_is_late_mark(c)) || c == 0x1cf2 || c == 0x1cf3; /* marks once */
}

static int is_newer_word(int32_t c) {
  if (c < 0x80) return 0;
  const char *category = unicode_newer_category(c);
  return category[0] == 'L' || category[0] == 'M' || (category[0] == 'N' && category[1] == 'd');
}

/* Alphabetic, marks, decimal digits, connectors and joiners (UTS 18). Letters in circles and
   squares are alphabetic though they are symbols. */
int point_is_word(int32_t c) {
  utf8proc_category_t category = utf8proc_category(c);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
         category == UTF8PROC_CATEGORY_PC || c == 0x200c || c == 0x200d ||
         (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
         (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189) || is_newer_word(c);
}

/* GPT-2's letters for bytes: those that print stand for themselves, the others for 256 and on. */
int32_t byte_letter(uint8_t byte) {
  if (byte <= 0x20) return 256 + byte;
  if (byte < 0x7f) return byte;
  if (byte <= 0xa0) return 256 + 33 + (byte - 0x7f);
  return byte == 0xad ? 256 + 67 : byte;
}

int32_t point_byte(int32_t letter) {
  if (letter >= 256 && letter <= 256 + 32) return letter - 256;
  if (letter > 256 + 32 && letter < 256 + 67) return letter - (256 + 33) + 0x7f;
  if (letter == 256 + 67) return 0xad;
  return letter >= 0 && letter < 256 && byte_letter((uint8_t)letter) == letter ? letter : -1;
}
