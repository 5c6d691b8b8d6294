// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator itself, compiled into the test module: its functions are not
 * exported by khv.ko. The tables come last, since they use one-letter macros.
 */
#include "../../kmod/emul/alu.c"
#include "../../kmod/emul/decode.c"
#include "../../kmod/emul/execute.c"
#include "../../kmod/emul/io.c"
#include "../../kmod/emul/mem.c"
#include "../../kmod/emul/sse.c"
#include "../../kmod/emul/string.c"
#include "../../kmod/emul/opcodes.c"
