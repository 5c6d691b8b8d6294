/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction emulator's interface.
 *
 * Pure code: it decodes one x86 instruction at the guest's RIP and carries it
 * out on a copy of the guest's registers; whatever lies outside the processor
 * (memory, ports, segments, XMM registers) is reached through
 * struct khv_emul_ops. It owns no memory, takes no lock and never sleeps by
 * itself; the callbacks may.
 *
 * The caller embeds struct khv_emul in its own object and finds that object
 * again with container_of().
 */
#ifndef KHV_EMUL_EMUL_H
#define KHV_EMUL_EMUL_H

#include <linux/types.h>

/** Architectural limit of an instruction's length in bytes. */
#define KHV_EMUL_MAX_INSN	15

/** Iterations of a REP string instruction in one khv_emul_execute(). */
#define KHV_EMUL_MAX_REP	1024

/**
 * enum khv_emul_result - what decode, execute and each callback return
 * @KHV_EMUL_OK: done
 * @KHV_EMUL_FAULT: the instruction raises the exception in khv_emul.exc;
 *	registers are those the handler of a fault must see
 * @KHV_EMUL_IO_NEEDED: a callback needs an answer from userspace. Once it has
 *	it, the caller starts again with khv_emul_decode() from khv_emul.regs
 *	(which may have advanced by whole iterations of a REP instruction), and
 *	the same calls follow in the same order
 * @KHV_EMUL_RESTART: RIP is still at the instruction, any finished iterations
 *	are in khv_emul.regs; let the guest run into it again. From the
 *	compare_write callback: the old value was no longer there
 * @KHV_EMUL_NOT_RAM: only from the probe callback: the range is no plain memory
 * @KHV_EMUL_UNHANDLEABLE: an instruction, or a place to fetch it from, that is
 *	legal for all the emulator knows, but not supported
 */
enum khv_emul_result {
	KHV_EMUL_OK,
	KHV_EMUL_FAULT,
	KHV_EMUL_IO_NEEDED,
	KHV_EMUL_RESTART,
	KHV_EMUL_NOT_RAM,
	KHV_EMUL_UNHANDLEABLE,
};

/** enum khv_emul_mode - the addressing world of the code segment */
enum khv_emul_mode {
	KHV_EMUL_REAL,
	KHV_EMUL_VM86,
	KHV_EMUL_PROT16,
	KHV_EMUL_PROT32,
	KHV_EMUL_LONG,
};

/** enum khv_emul_seg - segment registers in the order of their encoding */
enum khv_emul_seg {
	KHV_EMUL_ES,
	KHV_EMUL_CS,
	KHV_EMUL_SS,
	KHV_EMUL_DS,
	KHV_EMUL_FS,
	KHV_EMUL_GS,
	KHV_EMUL_NR_SEGS,
};

/** enum khv_emul_gpr - general registers in the order of their encoding */
enum khv_emul_gpr {
	KHV_EMUL_RAX,
	KHV_EMUL_RCX,
	KHV_EMUL_RDX,
	KHV_EMUL_RBX,
	KHV_EMUL_RSP,
	KHV_EMUL_RBP,
	KHV_EMUL_RSI,
	KHV_EMUL_RDI,
	KHV_EMUL_NR_GPRS = 16,
};

/**
 * struct khv_emul_segment - a segment register with its hidden part
 * @base: linear base address
 * @limit: last valid offset, in bytes
 * @selector: visible part
 * @type: the four type bits of the descriptor
 * @db: default size (CS), stack size (SS), upper bound (expand-down)
 * @l: 64-bit code segment
 * @unusable: a null selector was loaded
 */
struct khv_emul_segment {
	u64 base;
	u32 limit;
	u16 selector;
	u8 type;
	bool db;
	bool l;
	bool unusable;
};

/**
 * struct khv_emul_regs - the registers an instruction may change
 * @gpr: general registers in the order of their encoding
 * @rip: instruction pointer
 * @rflags: flags
 */
struct khv_emul_regs {
	u64 gpr[KHV_EMUL_NR_GPRS];
	u64 rip;
	u64 rflags;
};

/**
 * struct khv_emul_exception - the exception behind KHV_EMUL_FAULT
 * @vector: exception vector
 * @has_error: it pushes @error
 * @error: error code
 * @address: CR2 of a page fault
 */
struct khv_emul_exception {
	u8 vector;
	bool has_error;
	u32 error;
	u64 address;
};

struct khv_emul;

/** A read whose data will be written back: check for write permission. */
#define KHV_EMUL_RMW		1
/** A probe for writing. */
#define KHV_EMUL_WRITE		2

/**
 * struct khv_emul_ops - the world around the emulated processor
 *
 * All members are mandatory. Addresses are linear; segmentation is already
 * done. A range may cross a page boundary: the callback translates all of it
 * before it changes anything. Lengths are 1 to 16 bytes, or up to
 * khv_emul.batch_size inside one page for a range that @probe called plain
 * memory. Unless stated otherwise callbacks return KHV_EMUL_OK,
 * KHV_EMUL_FAULT (after khv_emul_fault() or khv_emul_page_fault()),
 * KHV_EMUL_IO_NEEDED or KHV_EMUL_UNHANDLEABLE.
 *
 * A callback whose access was or will be served by userspace sets
 * khv_emul.yield: a REP instruction then ends after the current iteration, so
 * that no more than one such access of each kind is in flight.
 *
 * @fetch: read instruction bytes (execute access), within one page
 * @read: read data; flags may be KHV_EMUL_RMW
 * @write: write data. It is the last access of an instruction or iteration,
 *	so the callback may post it to a device and return KHV_EMUL_OK
 * @compare_write: write the new value if memory still holds the old one, atomically;
 *	KHV_EMUL_RESTART if not. Where there is no memory it is a @write
 * @probe: translate and check a range for reading, or with KHV_EMUL_WRITE for
 *	writing, without an access. KHV_EMUL_NOT_RAM: accessible, but by
 *	elements only
 * @pio_in: read count elements of size bytes from a port
 * @pio_out: write count elements of size bytes to a port; posted like @write
 * @io_permitted: consult the TSS's I/O permission bitmap for a port range that
 *	IOPL alone does not allow
 * @get_segment: fill in a segment register; cannot fail
 * @read_xmm: read the low 128 bits of a vector register
 * @write_xmm: write the low 128 bits of a vector register, keep the rest
 */
struct khv_emul_ops {
	int (*fetch)(struct khv_emul *em, u64 addr, void *buf, u32 len);
	int (*read)(struct khv_emul *em, u64 addr, void *buf, u32 len, u32 flags);
	int (*write)(struct khv_emul *em, u64 addr, const void *buf, u32 len);
	int (*compare_write)(struct khv_emul *em, u64 addr, const void *old,
			     const void *new, u32 len);
	int (*probe)(struct khv_emul *em, u64 addr, u32 len, u32 flags);
	int (*pio_in)(struct khv_emul *em, u16 port, u32 size, void *buf, u32 count);
	int (*pio_out)(struct khv_emul *em, u16 port, u32 size, const void *buf,
		       u32 count);
	int (*io_permitted)(struct khv_emul *em, u16 port, u32 size);
	void (*get_segment)(struct khv_emul *em, unsigned int seg,
			    struct khv_emul_segment *out);
	int (*read_xmm)(struct khv_emul *em, unsigned int reg, void *buf);
	int (*write_xmm)(struct khv_emul *em, unsigned int reg, const void *buf);
};

/**
 * struct khv_emul_operand - a decoded operand
 * @kind: enum khv_emul_operand_kind, see internal.h
 * @size: size in bytes
 * @reg: register number; @high selects bits 15:8
 * @seg: segment of a memory operand
 * @high: one of AH, CH, DH, BH
 * @ea: offset of a memory operand within its segment
 * @val: value, as far as it fits into 64 bits
 * @wide: value of a 128-bit operand
 * @orig: value as loaded, for the compare of a locked write
 */
struct khv_emul_operand {
	u8 kind;
	u8 size;
	u8 reg;
	u8 seg;
	bool high;
	u64 ea;
	union {
		u64 val;
		u64 wide[2];
	};
	u64 orig;
};

/**
 * struct khv_emul_insn - a decoded instruction
 * @length: length in bytes
 * @op: enum khv_emul_op, see internal.h
 * @flags: KHV_F_*, see internal.h
 * @opcode: last opcode byte
 * @map: opcode map: 0 one byte, 1 0F, 2 0F38, 3 0F3A
 * @rex: REX prefix, or 0
 * @rep: 0, 0xF2 or 0xF3
 * @lock: LOCK prefix present
 * @opsize_prefix: 66 prefix present
 * @vex: VEX or EVEX encoded; decoded for its length only
 * @has_modrm: @modrm is valid
 * @modrm: ModRM byte
 * @opsize: operand size in bytes
 * @adsize: address size in bytes
 * @seg: segment override, or KHV_EMUL_NR_SEGS
 * @sp_based: the memory operand is based on the stack pointer
 * @rip_relative: the memory operand is relative to the next instruction
 * @imm: immediate, sign-extended
 * @next_rip: where the next instruction starts
 * @dst: first operand
 * @src: second operand
 * @mem: the memory operand that ModRM describes, if any
 */
struct khv_emul_insn {
	u8 length;
	u8 op;
	u32 flags;
	u8 opcode;
	u8 map;
	u8 rex;
	u8 rep;
	bool lock;
	bool opsize_prefix;
	bool vex;
	bool has_modrm;
	u8 modrm;
	u8 opsize;
	u8 adsize;
	u8 seg;
	bool sp_based;
	bool rip_relative;
	u64 imm;
	u64 next_rip;
	struct khv_emul_operand dst;
	struct khv_emul_operand src;
	struct khv_emul_operand mem;
};

/** The general register that ModRM's r/m field names, if it is not a memory operand. */
static inline unsigned int khv_emul_rm(const struct khv_emul_insn *insn)
{
	return (insn->modrm & 7) | (insn->rex & 1) << 3;
}

/**
 * struct khv_emul - one emulation
 * @ops: the world outside
 * @mode: set by the caller, or by khv_emul_set_mode()
 * @cpl: current privilege level
 * @cr0: CR0 (alignment checks, availability of SSE)
 * @cr4: CR4 (availability of SSE)
 * @batch: buffer for batches of string I/O, or NULL
 * @batch_size: its size in bytes
 * @regs: in: registers at the instruction; out: see enum khv_emul_result
 * @bytes: instruction bytes; the caller may supply the first @avail of them
 * @avail: valid bytes in @bytes; 0 lets the decoder fetch all
 * @yield: set by callbacks: stop a REP instruction after this iteration
 * @trap: with KHV_EMUL_RESTART: an iteration is complete that RFLAGS.TF has trap
 * @exc: valid after KHV_EMUL_FAULT
 * @insn: valid after khv_emul_decode()
 * @segs: segment registers seen so far, as @segs_valid tells
 * @segs_valid: bit mask
 * @next: registers under construction
 */
struct khv_emul {
	const struct khv_emul_ops *ops;
	enum khv_emul_mode mode;
	u8 cpl;
	u64 cr0;
	u64 cr4;
	void *batch;
	u32 batch_size;
	struct khv_emul_regs regs;
	u8 bytes[KHV_EMUL_MAX_INSN];
	u8 avail;
	bool yield;
	bool trap;
	struct khv_emul_exception exc;

	/* private to the emulator, except for reading */
	struct khv_emul_insn insn;
	struct khv_emul_segment segs[KHV_EMUL_NR_SEGS];
	u8 segs_valid;
	struct khv_emul_regs next;
};

/**
 * khv_emul_set_mode() - derive the mode from the guest's state
 * @em: emulation with ops, cr0 and regs.rflags filled in
 * @long_mode_active: EFER.LMA
 *
 * Forgets all segments seen so far and asks for CS.
 */
void khv_emul_set_mode(struct khv_emul *em, bool long_mode_active);

/**
 * khv_emul_decode() - decode the instruction at regs.rip
 * @em: emulation; ops, mode, cpl, cr0, cr4, regs and avail are inputs
 *
 * For the length alone, regs.rip is the only register that matters.
 *
 * Return: KHV_EMUL_OK with the instruction in @em->insn, KHV_EMUL_FAULT (fetch,
 * segment limit, length, undefined opcode, illegal LOCK) or
 * KHV_EMUL_UNHANDLEABLE (not even the length is known).
 */
int khv_emul_decode(struct khv_emul *em);

/**
 * khv_emul_execute() - carry out the decoded instruction
 * @em: emulation after a successful khv_emul_decode()
 *
 * Registers are committed to @em->regs only when the instruction, or an
 * iteration of it, is complete and its memory has been written. Single-step
 * traps and interrupt shadows are the caller's; with RFLAGS.TF set, a REP
 * instruction ends after each iteration, as KHV_EMUL_RESTART and @em->trap say.
 *
 * Return: enum khv_emul_result
 */
int khv_emul_execute(struct khv_emul *em);

/**
 * khv_emul_fault() - record an exception
 * @em: emulation
 * @vector: exception vector
 * @error: error code, used if the vector pushes one in this mode
 *
 * Return: KHV_EMUL_FAULT
 */
int khv_emul_fault(struct khv_emul *em, u8 vector, u32 error);

/**
 * khv_emul_page_fault() - record a page fault
 * @em: emulation
 * @address: faulting linear address
 * @error: error code
 *
 * Return: KHV_EMUL_FAULT
 */
int khv_emul_page_fault(struct khv_emul *em, u64 address, u32 error);

/**
 * khv_emul_is_string_io() - whether the decoded instruction is INS or OUTS
 * @em: emulation after a successful khv_emul_decode()
 */
bool khv_emul_is_string_io(const struct khv_emul *em);

/**
 * khv_emul_linearize() - where in linear memory an operand is, if the segment allows it
 * @em: emulation after a successful khv_emul_decode()
 * @seg: segment register
 * @ea: offset in it
 * @len: bytes
 * @write: for writing
 * @linear: out: the address
 *
 * Return: KHV_EMUL_OK or KHV_EMUL_FAULT
 */
int khv_emul_linearize(struct khv_emul *em, unsigned int seg, u64 ea, u32 len, bool write,
		       u64 *linear);

#endif
