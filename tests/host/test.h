/* SPDX-License-Identifier: MIT */
/*
 * The host tests' few words. CHECK counts and goes on; main() ends with
 * `return test_end("name")`, which prints "name: N passed, N failed".
 */
#ifndef TESTS_HOST_TEST_H
#define TESTS_HOST_TEST_H

#include <stdio.h>

static unsigned long test_passed, test_failed;

#define CHECK(cond, ...)                                                  \
	do {                                                              \
		if (cond) {                                               \
			test_passed++;                                    \
		} else {                                                  \
			test_failed++;                                    \
			if (test_failed <= 50) {                          \
				printf("%s:%d: %s: ", __FILE__, __LINE__, \
				       #cond);                            \
				printf("" __VA_ARGS__);                   \
				printf("\n");                             \
			}                                                 \
		}                                                         \
	} while (0)

static inline int test_end(const char *name)
{
	printf("%s: %lu passed, %lu failed\n", name, test_passed, test_failed);
	return test_failed != 0;
}

#endif
