/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The user's terminal in raw mode. There is one per process, and whichever way
 * the process ends, the terminal gets its settings back.
 */
#ifndef KHV_TOOL_TERMINAL_H
#define KHV_TOOL_TERMINAL_H

/*
 * Put the terminal @fd in raw mode; the first call also arranges for it to be
 * restored at exit and by fatal signals. Returns 0, or -1 after a message.
 */
int khv_terminal_enter(int fd);

/* Undo khv_terminal_enter(). Async-signal-safe, and harmless without it. */
void khv_terminal_leave(void);

#endif
