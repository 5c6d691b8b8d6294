/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers that only the seed decides (splitmix64), for the fuzzers that run
 * guests.
 */
#ifndef KHV_TESTS_RNG_H
#define KHV_TESTS_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rnd(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0 to @n - 1 */
static inline uint64_t below(struct rng *rng, uint64_t n)
{
	return rnd(rng) % n;
}

static inline bool one_in(struct rng *rng, unsigned int n)
{
	return !below(rng, n);
}

/* Small, at a limit, or anything. */
static inline uint64_t odd_number(struct rng *rng)
{
	switch (below(rng, 6)) {
	case 0:
		return below(rng, 256);
	case 1:
		return 1ULL << below(rng, 64);
	case 2:
		return (1ULL << below(rng, 64)) - 1;
	case 3:
		return -below(rng, 256);
	case 4:
		return (uint32_t)rnd(rng);
	default:
		return rnd(rng);
	}
}

#endif
