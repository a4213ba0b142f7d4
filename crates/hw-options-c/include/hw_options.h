/* Options in the text of UDF scripts: C interface of the crate hw-options.
 *
 * `cargo build --release -p hw-options-c` makes libhw_options_c.a. Link it and, on Linux, -lpthread -ldl -lm. There is no global state:
 * results of different threads have nothing to do with each other. Nothing aborts the process, whatever the bytes are.
 *
 * A result owns all that it hands out, and a copy of the text is not kept: bytes of a result are good until hw_options_free.
 */
#ifndef HW_OPTIONS_H
#define HW_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a result; not ended by NUL. `data` is not NULL. */
typedef struct {
    const uint8_t *data;
    size_t length;
} hw_bytes;

/* A place in a script: line and column (in bytes) from 1, offset in bytes from 0. */
typedef struct {
    size_t line;
    size_t column;
    size_t offset;
} hw_place;

/* An option. `start` is its percent sign, `end` is behind its semicolon. */
typedef struct {
    hw_bytes key;
    hw_bytes value;
    size_t start;
    size_t end;
    hw_place place;
} hw_option;

/* A fault; the first is the one that the reference stops at. `reference_codes` are its codes, the outermost first, parted by blanks.
 * `origin` is the name of the imported script, empty for the main one. */
typedef struct {
    hw_bytes code;
    hw_bytes reference_codes;
    hw_bytes message;
    hw_bytes help;
    hw_bytes origin;
    hw_place place;
} hw_fault;

enum { HW_PARSER_V1 = 1, HW_PARSER_V2 = 2 };

/* Flag of hw_options_resolve: several %scriptclass in the main script are a fault. */
enum { HW_STRICT_SCRIPTCLASS = 1 };

/* Lists of strings of a result. */
enum { HW_JVM_OPTIONS = 1, HW_JARS = 2, HW_IMPORT_REQUESTS = 3, HW_WARNINGS = 4 };

/* What a provider answers. */
enum { HW_SCRIPT_FOUND = 0, HW_SCRIPT_REFUSED = 1, HW_SCRIPT_UNAVAILABLE = 2 };

/* Gives the text of a script, or with the other two answers the words of an error. The name is as the option has it, without a NUL
 * at its end. The bytes at `*data` have to stay until the next call of the provider or the return of hw_options_resolve. */
typedef int (*hw_provider)(void *context, const uint8_t *name, size_t name_length, const uint8_t **data, size_t *length);

typedef struct hw_result hw_result;

/* All options of a text, by the second parser. */
hw_result *hw_options_parse(const uint8_t *text, size_t length);

/* One extraction of a keyword, percent sign included, by the first parser. */
hw_result *hw_options_extract(const uint8_t *text, size_t length, const uint8_t *keyword, size_t keyword_length);

/* The Java handler. `parser` is HW_PARSER_V1 or HW_PARSER_V2; `provider` may be NULL: imports are refused then. Returns NULL if `parser`
 * is neither, or if memory ran out. */
hw_result *hw_options_resolve(int parser, unsigned flags, const uint8_t *text, size_t length, hw_provider provider, void *context);

/* Frees a result; NULL is nothing. */
void hw_options_free(hw_result *result);

/* Faults. With at least one there is nothing else. Of places behind the end all members are zero or empty. */
size_t hw_options_fault_count(const hw_result *result);
hw_fault hw_options_fault(const hw_result *result, size_t number);

/* Options of hw_options_parse and hw_options_extract, in the order of the text. */
size_t hw_options_option_count(const hw_result *result);
hw_option hw_options_option(const hw_result *result, size_t number);

/* The text that is left; empty after hw_options_parse, which takes nothing out. */
hw_bytes hw_options_code(const hw_result *result);

/* The script class; empty if there is none. */
hw_bytes hw_options_script_class(const hw_result *result);

/* The strings of a list. */
size_t hw_options_list_count(const hw_result *result, int list);
hw_bytes hw_options_list_item(const hw_result *result, int list, size_t number);

#ifdef __cplusplus
}
#endif

#endif
