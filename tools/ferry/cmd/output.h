/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ferry prints: tables for people, JSON for programs.
 *
 * The rule for --json, the same in every command: standard output holds one
 * JSON object and nothing else, whatever the exit code (EXIT_USAGE aside, which
 * prints none); `ferry watch` prints one object a line. Keys are
 * words_with_underscores and say their unit (_bytes, _ns). What is not known is
 * null, never left out. A key may be added later, none is renamed. What failed
 * before there was anything to tell is told by "error" alone.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <argp.h>
#include <json-c/json.h>

struct table;

/**
 * table_new() - an empty table
 * @headings: of the columns, ends with NULL; constant
 *
 * Return: the table; memory that runs out ends the program.
 */
struct table *table_new(const char *const *headings);

/**
 * table_cell() - the next cell: a row is as many as there are headings
 * @table: the table
 * @format: the text; an empty one is shown as "-"
 */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints it, the columns as wide as they must be and a terminal lets them be, and frees it. */
void table_print(struct table *table, FILE *to);

/* A terminal that moves its cursor, and so can show progress in place. */
bool output_is_terminal(FILE *to);

/* A string, or null. */
json_object *json_text(const char *text);

/* Adds to an object. */
#define NUMBER(object, name, value)	json_object_object_add(object, name, json_object_new_uint64(value))
#define TEXT(object, name, value)	json_object_object_add(object, name, json_text(value))
#define TRUTH(object, name, value)	json_object_object_add(object, name, json_object_new_boolean(value))

/* --json was given. */
bool json_wanted(void);
extern const struct argp json_argp;

/* Prints the object on standard output and gives it back. */
void json_print(json_object *object);
/* The same, on one line. */
void json_print_line(json_object *object);
/* The same, where standard output is taken. */
void json_print_to(json_object *object, FILE *to);
/* Who prints an object piece by piece begins. */
void json_begin(void);

/* A program waits for an object, and none was printed: so it failed early. @code: how it ends */
bool json_due(int code);

/* To be put on the stack for human_bytes() and human_ns(). */
#define HUMAN_SIZE 24

/* "12.3 MiB", "417 B"; returns @text. */
const char *human_bytes(char text[HUMAN_SIZE], uint64_t bytes);

/* "12.3 ms", "4.2 s"; returns @text. */
const char *human_ns(char text[HUMAN_SIZE], uint64_t ns);

/**
 * output_end() - the last call of a command that printed something
 * @code: how the command went
 *
 * Return: @code, or EXIT_FAILED, with a line on stderr, if standard output
 * could not be written.
 */
int output_end(int code);

#endif /* OUTPUT_H */
