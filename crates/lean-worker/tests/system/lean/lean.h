/* What `system.c` uses of Lean's own header, for a test without Lean: a string is its bytes and their number. */
#include <stddef.h>
#include <stdint.h>
typedef struct { size_t size; char text[]; } lean_object;
typedef lean_object *lean_obj_res, *b_lean_obj_arg;
#define LEAN_EXPORT
static inline lean_object *lean_box(size_t n) { return (lean_object *)(n << 1 | 1); }
static inline char const *lean_string_cstr(lean_object *s) { return s->text; }
static inline size_t lean_string_size(lean_object *s) { return s->size; }
