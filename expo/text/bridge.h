#pragma once

// The C interface of the Rust library in rust/: Hugging Face's tokenizers, Jinja and parquet.
// Private to this room; everyone else uses tokenizer.h, chat_template.h and the row readers.
//
// Memory that is returned through an ExpoBytes or ExpoIds belongs to the caller, who frees it with
// the matching function. A function that fails puts the reason into `error` (UTF-8, one sentence
// without the file's name) and leaves its other results empty. Several threads may use a handle at
// once, except an ExpoTable.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// NOLINTBEGIN(modernize-use-using): this is C
#ifdef __cplusplus
extern "C" {
#endif

/// Bytes that the library allocated.
typedef struct ExpoBytes {
  uint8_t* data;
  size_t size;
} ExpoBytes;

/// Token ids, or positions in a text, that the library allocated.
typedef struct ExpoIds {
  uint32_t* data;
  size_t size;
} ExpoIds;

void expo_bytes_free(ExpoBytes bytes);
void expo_ids_free(ExpoIds ids);

/// A tokenizer.
typedef struct ExpoTokenizer ExpoTokenizer;

/// Parses a tokenizer.json, with its padding and truncation switched off. Null on failure.
ExpoTokenizer* expo_tokenizer_new(const uint8_t* json, size_t size, ExpoBytes* error);
void expo_tokenizer_free(ExpoTokenizer* tokenizer);
/// Whether this library encodes texts itself (byte-level BPE), and leaves only some of them to
/// Hugging Face's, which encodes all texts of other tokenizers. Both give the same result.
bool expo_tokenizer_is_byte_level(const ExpoTokenizer* tokenizer);
bool expo_tokenizer_encode(const ExpoTokenizer* tokenizer, const uint8_t* text, size_t size,
                           bool add_special_tokens, ExpoIds* ids, ExpoBytes* error);
/// The same, and for each token the characters of the text that it stands for: a begin and an end,
/// counted in Unicode code points as Python counts them.
bool expo_tokenizer_encode_places(const ExpoTokenizer* tokenizer, const uint8_t* text, size_t size,
                                  bool add_special_tokens, ExpoIds* ids, ExpoIds* places,
                                  ExpoBytes* error);
bool expo_tokenizer_decode(const ExpoTokenizer* tokenizer, const uint32_t* ids, size_t count,
                           bool skip_special_tokens, ExpoBytes* text, ExpoBytes* error);
/// One more than the highest id, including added tokens.
size_t expo_tokenizer_size(const ExpoTokenizer* tokenizer);
/// The id of a token; -1 if there is none.
int64_t expo_tokenizer_id(const ExpoTokenizer* tokenizer, const uint8_t* token, size_t size);
/// The token of an id; returns false if there is none.
bool expo_tokenizer_token(const ExpoTokenizer* tokenizer, uint32_t id, ExpoBytes* token);
bool expo_tokenizer_is_special(const ExpoTokenizer* tokenizer, uint32_t id);

/// A compiled chat template.
typedef struct ExpoTemplate ExpoTemplate;

/// Compiles a Jinja template. Null on failure.
ExpoTemplate* expo_template_new(const uint8_t* source, size_t size, ExpoBytes* error);
void expo_template_free(ExpoTemplate* chat_template);
/// Whether {% generation %} occurs in it.
bool expo_template_has_generation(const ExpoTemplate* chat_template);
/// Renders the template. `context` is a JSON object with the template's variables. strftime_now
/// uses `seconds_since_epoch` as the time, in UTC; if that is negative, it reads the clock, in
/// local time. `generations` receives a begin and an end for each {% generation %} that was
/// rendered, in characters of the text, counted as transformers counts them.
bool expo_template_render(const ExpoTemplate* chat_template, const uint8_t* context, size_t size,
                          int64_t seconds_since_epoch, ExpoBytes* text, ExpoIds* generations,
                          ExpoBytes* error);

/// An open parquet file.
typedef struct ExpoTable ExpoTable;

/// Reads exactly `size` bytes at `offset`; returns false on failure, whose reason the callback must
/// keep itself.
typedef bool (*ExpoReadAt)(void* context, uint64_t offset, uint8_t* out, size_t size);

/// Opens a parquet file of `size` bytes; `context` must outlive the table. Null on failure.
ExpoTable* expo_table_new(void* context, ExpoReadAt read_at, uint64_t size, ExpoBytes* error);
void expo_table_free(ExpoTable* table);
uint64_t expo_table_rows(const ExpoTable* table);
/// Reads the next row as a JSON object, with the columns in the file's order. Returns 1, or 0 at
/// the end, or -1 on failure.
int expo_table_next(ExpoTable* table, ExpoBytes* row, ExpoBytes* error);

#ifdef __cplusplus
}
#endif
// NOLINTEND(modernize-use-using)
