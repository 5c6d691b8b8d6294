/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests in kselftest's TAP form.
 *
 * A program is a list of suites, a suite a list of tests, a test a function.
 * Each runs in a process of its own with a time limit, so that a test that
 * dies or hangs fails alone. What a test does is no business of this file.
 */
#ifndef KHV_TESTS_KSFT_H
#define KHV_TESTS_KSFT_H

#include <stdbool.h>
#include <stddef.h>

struct ksft_test {
	const char *name;
	void (*run)(void);
	unsigned int seconds;	/* time limit; 0 is KSFT_SECONDS */
	bool shadow;		/* relies on the shadow of STI: see KSFT_TRIES */
};

struct ksft_suite {
	const char *name;
	const struct ksft_test *tests;
	size_t count;
};

#define KSFT_SECONDS	60

/*
 * QEMU's VMRUN does not load the interrupt shadow: a host interrupt between STI
 * and the next instruction loses it, and the guest's interrupt comes one
 * instruction early, for a HLT too early. That is rare, for KVM just as for khv, and
 * whoever is wrong is wrong each time; so there a test with .shadow has some
 * tries to pass once. Elsewhere it has one. So has a test whose guest came out in
 * its host's state: see ksft_mixed_up().
 */
#define KSFT_TRIES	4

#define KSFT_ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define KSFT_SUITE(suite_name, test_array) \
	{ .name = suite_name, .tests = test_array, .count = KSFT_ARRAY_SIZE(test_array) }

/*
 * To be called, before ksft_abort(), when a guest ended as guests of KVM and khv alike
 * now and then do on QEMU's SVM with two processors: with its host's registers, or
 * in a triple fault that comes of them. docs/testbed.md has the figures.
 */
void ksft_mixed_up(void);

/* The device under test: option -d, else KHV_DEV, else /dev/khv. */
extern const char *ksft_device;

/*
 * Runs the tests whose names ("suite.test") contain one of the words on the
 * command line, or all. The result is main()'s: 0 passed, 1 failed, 4 skipped.
 */
int ksft_main(int argc, char **argv, const struct ksft_suite *const *suites, size_t count);

/* In a test: end it here, as failed or as skipped for a reason. */
_Noreturn void ksft_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void ksft_abort(void);

/* In a test: remark something; and mark it as failed, remarking why. */
void ksft_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void ksft_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* EXPECT goes on after a failure, ASSERT ends the test. */
#define EXPECT(cond, ...)							\
	do {									\
		if (!(cond))							\
			ksft_fail(__FILE__, __LINE__, "not true: " #cond	\
				  __VA_OPT__(": ") __VA_ARGS__);		\
	} while (0)

#define ASSERT(cond, ...)							\
	do {									\
		if (!(cond)) {							\
			ksft_fail(__FILE__, __LINE__, "not true: " #cond	\
				  __VA_OPT__(": ") __VA_ARGS__);		\
			ksft_abort();						\
		}								\
	} while (0)

#define KSFT_COMPARE(a, b, ...)							\
	({									\
		unsigned long long a_ = (unsigned long long)(a);		\
		unsigned long long b_ = (unsigned long long)(b);		\
										\
		if (a_ != b_)							\
			ksft_fail(__FILE__, __LINE__,				\
				  "%s is %#llx (%lld), not %s = %#llx (%lld)",	\
				  #a, a_, (long long)a_, #b, b_, (long long)b_); \
		a_ == b_;							\
	})

#define EXPECT_EQ(a, b)		((void)KSFT_COMPARE(a, b))

#define ASSERT_EQ(a, b)								\
	do {									\
		if (!KSFT_COMPARE(a, b))					\
			ksft_abort();						\
	} while (0)

#endif
