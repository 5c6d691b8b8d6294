// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine of shadow_world.h. Its processor walks the tables that khv made by
 * the rules under which khv runs guests: CR0.WP and EFER.NX set, SMEP and SMAP as
 * the guest has them.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <linux/gfp.h>
#include <linux/slab.h>

#include "mmu/hostpage.h"
#include "mmu/walker.h"
#include "shadow_world.h"
#include "vm/memslot.h"
#include "x86/event.h"
#include "x86/regs_inline.h"

#define ARENA_ORDER	10
#define TRIES		24

static struct world *world;

static struct khv_memslot all_memory = { .npages = WORLD_FRAMES };

struct khv_hw_caps khv_caps;

static u32 random_below(u32 n)
{
	return prandom_u32_state(&world->rnd) % n;
}

static struct world_cpu *cpu_of(const struct khv_vcpu *vcpu)
{
	return &world->cpu[vcpu->index];
}

static void forget_all(struct world_cpu *cpu)
{
	memset(cpu->tlb, 0, sizeof(cpu->tlb));
}

/* ---- what the shadow code calls ---- */

static void fake_load_root(struct khv_vcpu *vcpu, hpa_t root)
{
	cpu_of(vcpu)->root = root;
}

static void fake_flush_tlb(struct khv_vcpu *vcpu)
{
	forget_all(cpu_of(vcpu));
}

static void fake_flush_gva(struct khv_vcpu *vcpu, gva_t gva)
{
	struct tlb_entry *e = cpu_of(vcpu)->tlb;
	unsigned int i;

	for (i = 0; i < WORLD_TLB; i++)
		if (e[i].valid && (gva >> PAGE_SHIFT) - e[i].page < KHV_PT_FRAMES(e[i].level))
			e[i].valid = false;
}

static int fake_get_cpl(struct khv_vcpu *vcpu)
{
	return cpu_of(vcpu)->user ? 3 : 0;
}

static void fake_cache_reg(struct khv_vcpu *vcpu, unsigned int lazy)
{
	vcpu->regs.avail |= BIT(lazy);
}

static const struct khv_hw_ops fake_ops = {
	.name = "model",
	.load_root = fake_load_root,
	.flush_tlb = fake_flush_tlb,
	.flush_gva = fake_flush_gva,
	.get_cpl = fake_get_cpl,
	.cache_reg = fake_cache_reg,
};

const struct khv_hw_ops *khv_hw = &fake_ops;

void khv_vcpu_kick(struct khv_vcpu *vcpu)
{
}

void khv_vm_flush_tlbs(struct khv_vm *vm)
{
	unsigned int i;

	for (i = 0; i < WORLD_CPUS; i++)
		forget_all(&world->cpu[i]);
}

void khv_queue_pf(struct khv_vcpu *vcpu, gva_t addr, u32 error_code)
{
	struct world_cpu *cpu = cpu_of(vcpu);

	cpu->pf.queued = true;
	cpu->pf.address = addr;
	cpu->pf.error = error_code;
}

/* Reading where no memory is fails, here and in the model. */
const struct khv_memslot *khv_memslot_find(struct khv_vm *vm, gfn_t gfn)
{
	return &all_memory;
}

u64 khv_memslots_frames(struct khv_vm *vm)
{
	return WORLD_FRAMES;
}

int khv_gpa_read_atomic(struct khv_vm *vm, gpa_t gpa, void *buf, unsigned long len)
{
	if (gpa >= WORLD_SIZE || len > WORLD_SIZE - gpa)
		return -EFAULT;
	if (world->racing && len > sizeof(u64) && world->racing - gpa < len)
		*(u64 *)world_at(world, world->racing) = 0;
	memcpy(buf, world_at(world, gpa), len);
	return 0;
}

int khv_gpa_read_once(struct khv_vm *vm, gpa_t gpa, u64 *val, unsigned int len)
{
	*val = 0;
	return khv_gpa_read_atomic(vm, gpa, val, len);
}

int khv_gpa_cmpxchg_quiet(struct khv_vm *vm, gpa_t gpa, u64 *old, u64 new, unsigned int len)
{
	u64 now;

	if (khv_gpa_read_once(vm, gpa, &now, len))
		return -EFAULT;
	if (now != *old) {
		*old = now;
		return -EAGAIN;
	}
	memcpy(world_at(world, gpa), &new, len);
	return 0;
}

/* Is the page one that the host has not write-protected, though it may be? */
static bool host_lets_write(gfn_t gfn)
{
	return (gfn + world->where[gfn]) % 3;
}

/* The host's entries around a small page. */
static void fill_group(struct khv_hostpage *f)
{
	u64 flags;
	int i;

	f->grouped = true;
	f->first = f->gfn & ~(KHV_PT_GROUP - 1ull);
	for (i = 0; i < KHV_PT_GROUP; i++) {
		flags = _PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED;
		if (host_lets_write(f->first + i))
			flags |= _PAGE_RW | _PAGE_DIRTY;
		f->group[i] = pfn_pte(__pa(world_at(world, (f->first + i) << PAGE_SHIFT)) >>
				      PAGE_SHIFT, __pgprot(flags));
	}
}

int khv_hostpage_find(struct khv_vcpu *vcpu, struct khv_hostpage *f, gfn_t gfn, u32 access)
{
	if (gfn >= WORLD_FRAMES)
		return KHV_FAULT_EMULATE;
	if (!random_below(200))
		return -EAGAIN;
	*f = (struct khv_hostpage) {
		.slot = &all_memory,
		.gfn = gfn,
		.write = access & KHV_ACCESS_WRITE,
		.exec = access & KHV_ACCESS_FETCH,
		.may_write = true,
		.cached = true,
		.level = world->big && !world->split[gfn / 512] ? 2 : 1,
		.pfn = __pa(world_at(world, gfn << PAGE_SHIFT)) >> PAGE_SHIFT,
		.flags = _PAGE_PRESENT | _PAGE_USER | _PAGE_RW,
	};
	if (f->level == 1)
		fill_group(f);
	return 0;
}

bool khv_hostpage_stale(const struct khv_mmu *mmu, const struct khv_hostpage *f, int level)
{
	return !random_below(200);
}

/* A page that is only read may still be the host's to write-protect. */
bool khv_hostpage_may_write(const struct khv_hostpage *f)
{
	if (!f->slot->dirty)
		return f->write || host_lets_write(f->gfn);
	if (f->write)
		khv_memslot_mark_dirty(f->slot, f->gfn);
	return f->write;
}

bool khv_hostpage_fits(const struct khv_hostpage *f, int level)
{
	return level <= f->level && !f->slot->dirty &&
	       !((f->gfn ^ f->pfn) & (KHV_PT_FRAMES(level) - 1));
}

/* ---- the processor ---- */

/* What a walk, or the TLB, has for an address. @present: or else no translation. */
struct translation {
	bool present, write, user, nx;
	u8 level;
	u64 pa;			/* of the leaf's first byte */
};

static struct translation walk_tables(const struct world_cpu *cpu, u64 va)
{
	struct translation t = { .write = true, .user = true };
	bool long_mode = cpu->vcpu->regs.efer & EFER_LMA;
	u64 table = cpu->root, e;

	t.level = long_mode ? 4 : 2;
	if (!long_mode) {
		e = ((u64 *)__va(table))[va >> 30 & 3];
		if (!(e & KHV_PTE_P))
			return t;
		table = e & KHV_PTE_ADDR;
	}
	for (;; t.level--) {
		e = ((u64 *)__va(table))[va >> (PAGE_SHIFT + 9 * (t.level - 1)) & 511];
		if (!(e & KHV_PTE_P))
			return t;
		if (e & GENMASK_ULL(62, 52))
			world->trouble = "a reserved bit in a shadow entry";
		t.write &= !!(e & KHV_PTE_W);
		t.user &= !!(e & KHV_PTE_U);
		t.nx |= !!(e & KHV_PTE_NX);
		table = e & KHV_PTE_ADDR;
		if (t.level == 1 || (e & KHV_PTE_PS))
			break;
	}
	t.present = true;
	t.pa = table;
	return t;
}

/* "SDM, Determination of Access Rights", with WP and NX. */
static bool lets(const struct world_cpu *cpu, const struct translation *t, u32 access, bool ac)
{
	const struct khv_regs *regs = &cpu->vcpu->regs;
	u64 cr4 = regs->cr0 & X86_CR0_PG ? regs->cr4 : 0;

	if ((access & MODEL_USER) && !t->user)
		return false;
	if (access & MODEL_FETCH)
		return !t->nx && ((access & MODEL_USER) || !t->user || !(cr4 & X86_CR4_SMEP));
	if (!(access & MODEL_USER) && t->user && (cr4 & X86_CR4_SMAP) &&
	    (!ac || (access & MODEL_IMPLICIT)))
		return false;
	return t->write || !(access & MODEL_WRITE);
}

static struct tlb_entry *tlb_find(struct world_cpu *cpu, u64 va)
{
	struct tlb_entry *e;
	unsigned int i;

	for (i = 0; i < WORLD_TLB; i++) {
		e = &cpu->tlb[i];
		if (e->valid && (va >> PAGE_SHIFT) - e->page < KHV_PT_FRAMES(e->level))
			return e;
	}
	return NULL;
}

static void tlb_add(struct world_cpu *cpu, u64 va, const struct translation *t)
{
	cpu->tlb[random_below(WORLD_TLB)] = (struct tlb_entry) {
		.valid = true, .write = t->write, .user = t->user, .nx = t->nx, .level = t->level,
		.page = (va >> PAGE_SHIFT) & ~(KHV_PT_FRAMES(t->level) - 1), .pa = t->pa,
	};
}

/* True with @pa, or false with the error code of a fault, which forgets the address. */
static bool translate(struct world_cpu *cpu, u64 va, u32 access, bool ac, u64 *pa, u32 *error)
{
	struct tlb_entry *e = tlb_find(cpu, va);
	struct translation t;

	if (e)
		t = (struct translation) { true, e->write, e->user, e->nx, e->level, e->pa };
	else
		t = walk_tables(cpu, va);
	if (t.present && lets(cpu, &t, access, ac)) {
		if (!e && random_below(4))
			tlb_add(cpu, va, &t);
		*pa = t.pa + (va & ((KHV_PT_FRAMES(t.level) << PAGE_SHIFT) - 1));
		return true;
	}
	*error = (t.present ? 1 : 0) | (access & MODEL_WRITE ? 2 : 0) |
		 (access & MODEL_USER ? 4 : 0) | (access & MODEL_FETCH ? 0x10 : 0);
	if (e)
		e->valid = false;
	return false;
}

/* The guest-physical address of a host page that khv may use. */
static u64 gpa_of(struct world *w, u64 pa)
{
	unsigned int i;
	u64 gpa;

	for (i = 0; i < 2; i++) {
		gpa = pa - __pa(w->arena[i]);
		if (gpa < WORLD_SIZE && w->where[gpa >> PAGE_SHIFT] == i)
			return gpa;
	}
	w->trouble = "a host page that is not the guest's (any more)";
	return 0;
}

/* The guest has written to @gpa, unseen by khv but for the fault that let it. */
static void note_write(struct world *w, u64 gpa)
{
	if (all_memory.dirty && !test_bit(gpa >> PAGE_SHIFT, w->dirty))
		w->trouble = "a write that the dirty log does not have";
}

static void load_root(struct world *w, struct khv_vcpu *vcpu)
{
	if (khv_shadow_load_root(vcpu) != RESUME_GUEST || cpu_of(vcpu)->root != vcpu->mmu.root)
		w->trouble = "no root";
}

void khv_mmu_note_fault(struct khv_vcpu *vcpu, u64 addr, u32 access, int result)
{
}

static void take_requests(struct world *w)
{
	unsigned int i;

	for (i = 0; i < WORLD_CPUS; i++)
		if (khv_request_take(w->cpu[i].vcpu, KHV_REQ_MMU_ROOT))
			load_root(w, w->cpu[i].vcpu);
}

struct outcome world_access(struct world *w, unsigned int n, u64 va, u32 access, bool ac)
{
	struct world_cpu *cpu = &w->cpu[n];
	struct khv_vcpu *vcpu = cpu->vcpu;
	unsigned int i;
	u32 error = 0;
	u64 pa, gpa;
	int r;

	cpu->pf.queued = false;
	cpu->user = access & MODEL_USER;
	vcpu->regs.rip += 3;
	vcpu->regs.rflags = ac ? X86_EFLAGS_AC : 0;
	for (i = 0; i < TRIES; i++) {
		take_requests(w);
		if (translate(cpu, va, access, ac, &pa, &error)) {
			gpa = gpa_of(w, pa);
			if (access & MODEL_WRITE)
				note_write(w, gpa);
			return (struct outcome) { WENT_THROUGH, gpa, 0 };
		}
		vcpu->stats.exits++;
		r = khv_shadow_fault(vcpu, va, error, &gpa);
		if (r < 0)
			return (struct outcome) { FAILED, 0, -r };
		if (cpu->pf.queued) {
			if (cpu->pf.address != va)
				w->trouble = "a #PF for another address";
			return (struct outcome) { FAULTED, 0, cpu->pf.error };
		}
		/* An instruction that the emulator does not know? */
		if (r == KHV_FAULT_EMULATE && w->odd_writes && (access & MODEL_WRITE) &&
		    gpa < WORLD_SIZE && khv_shadow_unprotect(vcpu, gpa))
			continue;
		if (r == KHV_FAULT_EMULATE)
			return (struct outcome) { EMULATED, gpa, 0 };
	}
	w->trouble = "an access that never gets through";
	return (struct outcome) { FAILED, 0, 0 };
}

void world_invlpg(struct world *w, unsigned int n, u64 va)
{
	khv_shadow_invlpg(w->cpu[n].vcpu, va);
}

void world_set_registers(struct world *w, unsigned int n, const struct model_cpu *regs)
{
	struct khv_vcpu *vcpu = w->cpu[n].vcpu;

	vcpu->regs.cr0 = regs->cr0;
	vcpu->regs.cr3 = regs->cr3;
	vcpu->regs.cr4 = regs->cr4;
	vcpu->regs.efer = regs->efer;
	memcpy(vcpu->regs.pdpte, regs->pdpte, sizeof(regs->pdpte));
	vcpu->cpuid.maxphyaddr = regs->maxphyaddr;
	vcpu->cpuid.features = (regs->gbpages ? BIT_ULL(KHV_F_PDPE1GB) : 0) |
			       (regs->pse36 ? BIT_ULL(KHV_F_PSE36) : 0);
	load_root(w, vcpu);
}

/* ---- memory ---- */

void *world_at(struct world *w, u64 gpa)
{
	return w->arena[w->where[gpa >> PAGE_SHIFT]] + gpa;
}

static bool is_split(struct world *w, u32 region)
{
	u32 i;

	for (i = 1; i < 512; i++)
		if (w->where[region * 512 + i] != w->where[region * 512])
			return true;
	return false;
}

void world_move(struct world *w, u32 gfn, u32 nr)
{
	u32 i;

	khv_shadow_range(w->vm, gfn, gfn + nr, KHV_PT_ZAP, true);
	for (i = gfn; i < gfn + nr; i++) {
		memcpy(w->arena[!w->where[i]] + i * PAGE_SIZE, world_at(w, i * PAGE_SIZE),
		       PAGE_SIZE);
		memset(world_at(w, i * PAGE_SIZE), 0xa5, PAGE_SIZE);
		w->where[i] = !w->where[i];
	}
	for (i = gfn / 512; i <= (gfn + nr - 1) / 512; i++)
		w->split[i] = is_split(w, i);
}

void world_log(struct world *w, bool on)
{
	bitmap_zero(w->dirty, WORLD_FRAMES);
	all_memory.dirty = on ? w->dirty : NULL;
	khv_shadow_range(w->vm, 0, WORLD_FRAMES, on ? KHV_PT_WRPROTECT : KHV_PT_ZAP, true);
}

void world_collect(struct world *w)
{
	unsigned long taken[2];
	u32 word = random_below(BITS_TO_LONGS(WORLD_FRAMES) - 1), i;

	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		taken[i] = w->dirty[word + i] & prandom_u32_state(&w->rnd);
		taken[i] |= w->dirty[word + i] & (u64)prandom_u32_state(&w->rnd) << 32;
		w->dirty[word + i] &= ~taken[i];
	}
	khv_shadow_protect(w->vm, word * BITS_PER_LONG, taken, ARRAY_SIZE(taken) * BITS_PER_LONG);
}

static int create_cpu(struct world *w, unsigned int n)
{
	struct khv_vcpu *vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL);

	if (!vcpu)
		return -ENOMEM;
	w->cpu[n].vcpu = vcpu;
	vcpu->vm = w->vm;
	vcpu->index = n;
	vcpu->regs.avail = KHV_LAZY_ALL;
	vcpu->events.ext_vector = -1;
	w->vm->vcpus[n] = vcpu;
	w->vm->nr_vcpus = n + 1;
	return khv_shadow_vcpu_create(vcpu);
}

int world_create(struct world *w)
{
	unsigned int i;
	int r = 0;

	world = w;
	memset(w, 0, sizeof(*w));
	all_memory.dirty = NULL;
	shadow_code_pages = 0;
	w->vm = kzalloc(sizeof(*w->vm), GFP_KERNEL);
	if (!w->vm)
		return -ENOMEM;
	spin_lock_init(&w->vm->mmu.lock);
	for (i = 0; i < 2; i++) {
		w->arena[i] = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, ARENA_ORDER);
		r = r ?: w->arena[i] ? 0 : -ENOMEM;
	}
	r = r ?: khv_shadow_vm_init(w->vm);
	for (i = 0; !r && i < WORLD_CPUS; i++)
		r = create_cpu(w, i);
	return r;
}

bool world_destroy(struct world *w)
{
	unsigned int i;

	if (w->vm->mmu.shadow)
		khv_shadow_vm_uninit(w->vm);
	for (i = 0; i < WORLD_CPUS; i++)
		kfree(w->cpu[i].vcpu);
	for (i = 0; i < 2; i++)
		free_pages((unsigned long)w->arena[i], ARENA_ORDER);
	kfree(w->vm);
	return !shadow_code_pages;
}

/* ---- what must hold between two calls of the shadow code ---- */

static bool list_has(const struct hlist_head *head, const struct hlist_node *wanted)
{
	const struct hlist_node *node;

	for (node = head->first; node; node = node->next)
		if (node == wanted)
			return true;
	return false;
}

static struct hlist_head *rmap_list(struct khv_shadow *s, gfn_t gfn)
{
	return &s->rmap[hash_64(gfn, s->rmap_bits)];
}

/* No table that is not out of step may be writable, in a leaf of @frames from @gfn on. */
static bool writable_table(struct khv_shadow *s, gfn_t gfn, u64 frames)
{
	struct khv_sp *sp;

	for (; frames--; gfn++)
		for (sp = khv_sp_first(s, gfn); sp; sp = khv_sp_next(sp))
			if (!sp->unsync)
				return true;
	return false;
}

static const char *wrong_entry(struct khv_shadow *s, struct khv_sp *sp, unsigned int i)
{
	u64 e = sp->spt[i];
	gfn_t gfn;

	if (!khv_spte_leaf(e, sp->role.level))
		return list_has(&khv_sp_child(e)->parents, &sp->node[i]) ? NULL :
		       "a table does not know its parent";
	gfn = khv_spte_gfn(sp, i);
	if (!list_has(rmap_list(s, gfn), &sp->node[i]))
		return "a leaf is not in the reverse map";
	if ((e & KHV_PTE_W) && writable_table(s, gfn, KHV_PT_FRAMES(sp->role.level)))
		return "a guest table that is in step is writable";
	return NULL;
}

const char *world_inconsistent(struct world *w)
{
	struct khv_shadow *s = w->vm->mmu.shadow;
	unsigned long pages = 0, unsync = 0, upper = 0, leaves = 0, mapped = 0;
	const char *why = NULL;
	struct hlist_node *node;
	struct khv_sp *sp;
	unsigned int i;

	list_for_each_entry(sp, &s->lru, lru) {
		pages++;
		unsync += sp->unsync;
		upper += sp->unsync && sp->role.level > 1;
		if (hlist_unhashed(&sp->hash))
			why = "a page is not hashed";
		for (i = 0; i < KHV_PT_ENTRIES; i++) {
			if (!sp->spt[i])
				continue;
			leaves += khv_spte_leaf(sp->spt[i], sp->role.level);
			why = why ?: wrong_entry(s, sp, i);
		}
	}
	for (i = 0; i < BIT(s->rmap_bits); i++)
		for (node = s->rmap[i].first; node; node = node->next)
			mapped++;
	if (why)
		return why;
	if (pages != s->nr_pages || unsync != s->nr_unsync || upper != s->nr_unsync_upper)
		return "counters are off";
	if (!list_empty(&s->doomed) || s->flush)
		return "work is left undone";
	return leaves == mapped ? NULL : "the reverse map has leaves that are none";
}
