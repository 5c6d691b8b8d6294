/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest of bench-faults: what a small Unix kernel does to its page tables.
 */
#ifndef KHV_BENCH_FAULTS_GUEST_H
#define KHV_BENCH_FAULTS_GUEST_H

#include <stdint.h>

/* Guest-physical memory for its pages, from 1 GiB on. */
#define FAULTS_BASE	0x40000000UL

/* Set by the client before the start. */
struct faults_work {
	uint64_t pages;		/* that the process touches */
	uint64_t forks;
	uint64_t memory;	/* bytes at FAULTS_BASE */
};

extern struct faults_work faults_work;

/* Bytes at FAULTS_BASE that so many pages need. */
uint64_t faults_memory(uint64_t pages);

/*
 * The guest's function. It calls guest_sync(1) before each phase, in this order
 * (touch, fork, exit), and after the last one.
 */
void faults_guest(void);

#endif
