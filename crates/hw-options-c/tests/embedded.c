/* A client in C: every function of the header, and bytes that hurt. Prints what it finds; the test compares that. */
#include "hw_options.h"

#include <stdio.h>
#include <string.h>

static void bytes(const char *label, hw_bytes text) {
    printf("%s %.*s\n", label, (int)text.length, (const char *)text.data);
}

static const uint8_t *of(const char *text) { return (const uint8_t *)text; }

static int provide(void *context, const uint8_t *name, size_t name_length, const uint8_t **data, size_t *length) {
    ++*(int *)context;
    const char *text = "no such script";
    int answer = HW_SCRIPT_REFUSED;
    if (name_length == 1 && name[0] == 'A') {
        text = "%jar a.jar;\nimported\n";
        answer = HW_SCRIPT_FOUND;
    }
    *data = of(text);
    *length = strlen(text);
    return answer;
}

static void list(const hw_result *result, const char *label, int which) {
    for (size_t number = 0; number < hw_options_list_count(result, which); ++number) {
        bytes(label, hw_options_list_item(result, which, number));
    }
}

static void faults(const hw_result *result) {
    for (size_t number = 0; number < hw_options_fault_count(result); ++number) {
        hw_fault fault = hw_options_fault(result, number);
        printf("fault %zu:%zu @%zu\n", fault.place.line, fault.place.column, fault.place.offset);
        bytes(" code", fault.code);
        bytes(" reference", fault.reference_codes);
        bytes(" message", fault.message);
        bytes(" origin", fault.origin);
    }
}

static void resolve(int parser, unsigned flags, const char *text, hw_provider provider) {
    int calls = 0;
    hw_result *result = hw_options_resolve(parser, flags, of(text), strlen(text), provider, &calls);
    printf("resolve calls %d\n", calls);
    faults(result);
    bytes("class", hw_options_script_class(result));
    bytes("code", hw_options_code(result));
    list(result, "jvm", HW_JVM_OPTIONS);
    list(result, "jar", HW_JARS);
    list(result, "request", HW_IMPORT_REQUESTS);
    list(result, "warning", HW_WARNINGS);
    hw_options_free(result);
}

int main(void) {
    const char *text = "x\n %key va\\;lue;%other 1;\n// %jar x;\n";
    hw_result *result = hw_options_parse(of(text), strlen(text));
    for (size_t number = 0; number < hw_options_option_count(result); ++number) {
        hw_option option = hw_options_option(result, number);
        printf("option %zu..%zu %zu:%zu\n", option.start, option.end, option.place.line, option.place.column);
        bytes(" key", option.key);
        bytes(" value", option.value);
    }
    list(result, "warning", HW_WARNINGS);
    hw_options_free(result);

    text = " %jar a.jar ;code";
    result = hw_options_extract(of(text), strlen(text), of("%jar"), 4);
    bytes("extracted", hw_options_option(result, 0).value);
    bytes("left", hw_options_code(result));
    hw_options_free(result);

    resolve(HW_PARSER_V2, 0, "%scriptclass M;\n%import A;%jvmoption -Da -Db;\nmain\n", provide);
    resolve(HW_PARSER_V1, 0, "%import B;", provide);
    resolve(HW_PARSER_V2, 0, "%import B;", NULL);
    resolve(HW_PARSER_V2, HW_STRICT_SCRIPTCLASS, "%scriptclass A;%scriptclass B;", provide);

    printf("neither %d\n", hw_options_resolve(3, 0, of(""), 0, provide, NULL) == NULL);
    hw_options_free(NULL);
    printf("nothing %zu %zu\n", hw_options_fault_count(NULL), hw_options_option(NULL, 7).key.length);
    result = hw_options_parse(NULL, 0);
    printf("empty %zu %zu\n", hw_options_option_count(result), hw_options_fault_count(result));
    hw_options_free(result);
    return 0;
}
