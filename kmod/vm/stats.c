// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the counters of stats.h: as files of debugfs, and in the binary form of
 * KVM_GET_STATS_FD ("struct kvm_stats_header").
 *
 * Counting is done by those who know. Of a VM itself only few things are counted;
 * how its memory is mapped is found out when somebody asks.
 */
#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mmu/shadow.h"
#include "vm/memslot.h"
#include "vm/stats.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

/* The length of names, KVM's: clients may have it built in. */
#define NAME_SIZE	48

struct counter {
	const char *name;
	u32 type;	/* KVM_STATS_TYPE_* */
	bool ns;	/* nanoseconds; the others are plain numbers without a unit */
};

#define VCPU_STAT(member)	{ #member, KVM_STATS_TYPE_CUMULATIVE },
#define TIME_STAT(name)		{ name, KVM_STATS_TYPE_CUMULATIVE, .ns = true },
#define TIME_STATS	\
	TIME_STAT("guest_ns") TIME_STAT("hypervisor_ns") TIME_STAT("waiting_ns")	\
	TIME_STAT("halted_ns") TIME_STAT("throttled_ns") TIME_STAT("other_ns") TIME_STAT("wall_ns")
#define EXIT_STAT(nr, name)	{ "exits_" #name, KVM_STATS_TYPE_CUMULATIVE },

static const struct counter vcpu_stats[] = {
	KHV_VCPU_STATS(VCPU_STAT)
	{ "exits_other", KVM_STATS_TYPE_CUMULATIVE },
	KHV_EXITS(EXIT_STAT)
	TIME_STATS
};

#define VCPU_STATS	ARRAY_SIZE(vcpu_stats)
/* Of these, what sched/ knows: the members of struct khv_sched_times. */
#define VCPU_TIMES	(sizeof(struct khv_sched_times) / sizeof(u64))
#define FIRST_TIME	(VCPU_STATS - VCPU_TIMES)

static_assert(sizeof(struct khv_vcpu_stats) == FIRST_TIME * sizeof(u64));

/* VM_COUNTS of its own, and the sums of its vCPUs' times. */
enum { VM_TLB_FLUSH, VM_SLOTS, VM_TABLES, VM_PAGES_4K, VM_PAGES_2M, VM_PAGES_1G, VM_COUNTS };

#define VM_STATS	(VM_COUNTS + VCPU_TIMES)

static const struct counter vm_stats[] = {
	[VM_TLB_FLUSH] = { "remote_tlb_flush", KVM_STATS_TYPE_CUMULATIVE },
	[VM_SLOTS] = { "memory_slots", KVM_STATS_TYPE_INSTANT },
	[VM_TABLES] = { "mmu_tables", KVM_STATS_TYPE_INSTANT },
	[VM_PAGES_4K] = { "pages_4k", KVM_STATS_TYPE_INSTANT },
	[VM_PAGES_2M] = { "pages_2m", KVM_STATS_TYPE_INSTANT },
	[VM_PAGES_1G] = { "pages_1g", KVM_STATS_TYPE_INSTANT },
	TIME_STATS
};

static_assert(ARRAY_SIZE(vm_stats) == VM_STATS && VM_STATS < VCPU_STATS);

/* The nth counter of a vCPU. */
static u64 vcpu_stat(struct khv_vcpu *vcpu, unsigned int n)
{
	struct khv_sched_times times = { 0 };

	if (n >= FIRST_TIME) {
		khv_sched_times(vcpu, &times);
		return ((const u64 *)&times)[n - FIRST_TIME];
	}
	return READ_ONCE(((const u64 *)&vcpu->stats)[n]);
}

/* All of them; the times are of one instant. */
static void read_vcpu(struct khv_vcpu *vcpu, u64 *data)
{
	struct khv_sched_times times = { 0 };
	unsigned int i;

	for (i = 0; i < FIRST_TIME; i++)
		data[i] = vcpu_stat(vcpu, i);
	khv_sched_times(vcpu, &times);
	memcpy(&data[FIRST_TIME], &times, sizeof(times));
}

/* May sleep. Those that are found out by a walk of the tables are left 0 without @walk. */
static void count_vm(struct khv_vm *vm, u64 data[VM_COUNTS], bool walk)
{
	int idx;

	memset(data, 0, VM_COUNTS * sizeof(*data));
	data[VM_TLB_FLUSH] = atomic64_read(&vm->tlb_flushes);
	idx = srcu_read_lock(&vm->srcu);
	data[VM_SLOTS] = khv_memslots_count(vm);
	srcu_read_unlock(&vm->srcu, idx);
	data[VM_TABLES] = khv_mmu_tables(vm);
	if (walk)
		khv_mmu_count(vm, &data[VM_PAGES_4K]);
}

static void read_vm(struct khv_vm *vm, u64 data[VM_STATS])
{
	struct khv_sched_times times = { 0 };

	count_vm(vm, data, true);
	khv_sched_vm_times(vm, &times);
	memcpy(&data[VM_COUNTS], &times, sizeof(times));
}

static u64 sum_of_vcpus(struct khv_vm *vm, unsigned int n)
{
	struct khv_vcpu *vcpu;
	unsigned int i;
	u64 sum = 0;

	khv_for_each_vcpu(i, vcpu, vm)
		sum += vcpu_stat(vcpu, n);
	return sum;
}

/* ---- the descriptor ---- */

/* One name at its place in the file. */
struct name {
	char text[NAME_SIZE];
};

/* struct kvm_stats_desc with room for its name. */
struct desc {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	struct name name;
};

static_assert(offsetof(struct desc, flags) == offsetof(struct kvm_stats_desc, flags));
static_assert(offsetof(struct desc, exponent) == offsetof(struct kvm_stats_desc, exponent));
static_assert(offsetof(struct desc, size) == offsetof(struct kvm_stats_desc, size));
static_assert(offsetof(struct desc, offset) == offsetof(struct kvm_stats_desc, offset));
static_assert(offsetof(struct desc, bucket_size) == offsetof(struct kvm_stats_desc, bucket_size));
static_assert(offsetof(struct desc, name) == offsetof(struct kvm_stats_desc, name));

/* What a descriptor of KVM_GET_STATS_FD shows but its numbers: header, id, descriptors. */
struct stats_file {
	struct khv_vm *vm;		/* a reference */
	struct khv_vcpu *vcpu;		/* or NULL: the VM's own */
	unsigned long count;
	struct kvm_stats_header header;	/* each part a multiple of 8 bytes, without gaps */
	struct name id;
	struct desc desc[];
};

/* Where the part of the structure above that is the file's begins. */
#define FILE_START	offsetof(struct stats_file, header)

static_assert(offsetof(struct stats_file, desc) == sizeof(struct stats_file));

static void fill(struct stats_file *s, const struct counter *stats)
{
	unsigned int i;

	s->header = (struct kvm_stats_header) {
		.name_size = NAME_SIZE,
		.num_desc = s->count,
		.id_offset = offsetof(struct stats_file, id) - FILE_START,
		.desc_offset = offsetof(struct stats_file, desc) - FILE_START,
		.data_offset = struct_size(s, desc, s->count) - FILE_START,
	};
	for (i = 0; i < s->count; i++) {
		s->desc[i] = (struct desc) {
			.flags = stats[i].type | KVM_STATS_BASE_POW10 |
				 (stats[i].ns ? KVM_STATS_UNIT_SECONDS : KVM_STATS_UNIT_NONE),
			.exponent = stats[i].ns ? -9 : 0,
			.size = 1,
			.offset = i * sizeof(u64),
		};
		strscpy(s->desc[i].name.text, stats[i].name, NAME_SIZE);
	}
}

/* Bytes [*pos, ...) of the file that lie in the @size bytes at @from, which begin at @start. */
static ssize_t copy_part(char __user **buf, size_t *len, loff_t *pos, const void *from,
			 loff_t start, size_t size)
{
	size_t off = *pos - start, n;

	if (*pos < start || off >= size)
		return 0;
	n = min_t(size_t, *len, size - off);
	if (copy_to_user(*buf, from + off, n))
		return -EFAULT;
	*buf += n;
	*len -= n;
	*pos += n;
	return n;
}

static ssize_t stats_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	const struct stats_file *s = file->private_data;
	u64 data[VCPU_STATS];
	loff_t start = s->header.data_offset;
	ssize_t head, tail;

	head = copy_part(&buf, &len, pos, &s->header, 0, start);
	if (head < 0 || !len)
		return head;
	if (s->vcpu)
		read_vcpu(s->vcpu, data);
	else
		read_vm(s->vm, data);
	tail = copy_part(&buf, &len, pos, data, start, s->count * sizeof(u64));
	return tail < 0 && !head ? tail : head + max_t(ssize_t, tail, 0);
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_file *s = file->private_data;

	khv_vm_put(s->vm);
	kfree(s);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner		= THIS_MODULE,
	.read		= stats_read,
	.release	= stats_release,
	.llseek		= default_llseek,
};

static int open_stats(struct khv_vm *vm, struct khv_vcpu *vcpu, const char *name)
{
	unsigned int count = vcpu ? VCPU_STATS : VM_STATS;
	struct stats_file *s;
	struct file *file;
	int fd;

	s = kzalloc(struct_size(s, desc, count), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	s->vm = vm;
	s->vcpu = vcpu;
	s->count = count;
	fill(s, vcpu ? vcpu_stats : vm_stats);
	/* Clients know such a file by this beginning. */
	if (vcpu)
		snprintf(s->id.text, NAME_SIZE, "kvm-%d/vcpu-%d", task_pid_nr(current), vcpu->id);
	else
		snprintf(s->id.text, NAME_SIZE, "kvm-%d", task_pid_nr(current));

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto err_free;
	file = anon_inode_getfile(name, &stats_fops, s, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		fd = PTR_ERR(file);
		goto err_free;
	}
	file->f_mode |= FMODE_PREAD | FMODE_LSEEK;
	khv_vm_get(vm);
	fd_install(fd, file);
	return fd;

err_free:
	kfree(s);
	return fd;
}

int khv_vm_stats_fd(struct khv_vm *vm)
{
	return open_stats(vm, NULL, "khv-vm-stats");
}

int khv_vcpu_stats_fd(struct khv_vcpu *vcpu)
{
	/* The vCPU is there as long as its VM. */
	return open_stats(vcpu->vm, vcpu, "khv-vcpu-stats");
}

/* ---- debugfs ---- */

/* Of vm_stats and vcpu_stats together, those that have a file each; the rest share some. */
#define FILES		(VM_COUNTS + offsetof(struct khv_vcpu_stats, exit) / sizeof(u64))
#define FIRST_REASON	(FIRST_TIME - KHV_NR_EXITS)

static struct dentry *debugfs_root;

static const char *name_of(unsigned int n)
{
	return n < VM_COUNTS ? vm_stats[n].name : vcpu_stats[n - VM_COUNTS].name;
}

static u64 value_of(struct khv_vm *vm, unsigned int n)
{
	u64 data[VM_COUNTS];

	if (n >= VM_COUNTS)
		return sum_of_vcpus(vm, n - VM_COUNTS);
	count_vm(vm, data, n >= VM_PAGES_4K);
	return data[n];
}

/* The VM that the file's folder is about, or NULL for all. */
static struct khv_vm *vm_of(const struct file *file)
{
	return d_inode(file->f_path.dentry->d_parent)->i_private;
}

static u64 sum_of_vms(unsigned int n)
{
	struct khv_vm *vm;
	u64 sum = 0;

	mutex_lock(&khv_vms_lock);
	list_for_each_entry(vm, &khv_vms, node)
		sum += value_of(vm, n);
	mutex_unlock(&khv_vms_lock);
	return sum;
}

static u64 read_file(const struct file *file, unsigned int n)
{
	struct khv_vm *vm = vm_of(file);

	return vm ? value_of(vm, n) : sum_of_vms(n);
}

static int counter_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "%llu\n", read_file(m->file, (unsigned long)m->private));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counter);

static int reasons_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	for (i = FIRST_REASON; i < FIRST_TIME; i++)
		seq_printf(m, "%s %llu\n", vcpu_stats[i].name, read_file(m->file, VM_COUNTS + i));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(reasons);

static int times_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	for (i = FIRST_TIME; i < VCPU_STATS; i++)
		seq_printf(m, "%s %llu\n", vcpu_stats[i].name, read_file(m->file, VM_COUNTS + i));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(times);

static int vcpu_show(struct seq_file *m, void *unused)
{
	u64 data[VCPU_STATS];
	unsigned int i;

	read_vcpu(m->private, data);
	for (i = 0; i < VCPU_STATS; i++)
		seq_printf(m, "%s %llu\n", vcpu_stats[i].name, data[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vcpu);

static void add_files(struct dentry *dir)
{
	unsigned long n;

	for (n = 0; n < FILES; n++)
		debugfs_create_file(name_of(n), 0400, dir, (void *)n, &counter_fops);
	debugfs_create_file("exit_reasons", 0400, dir, NULL, &reasons_fops);
	debugfs_create_file("times", 0400, dir, NULL, &times_fops);
}

void khv_debugfs_init(void)
{
	debugfs_root = debugfs_create_dir(KBUILD_MODNAME, NULL);
	add_files(debugfs_root);
}

void khv_debugfs_exit(void)
{
	debugfs_remove_recursive(debugfs_root);
}

void khv_debugfs_add_vm(struct khv_vm *vm, int fd)
{
	static DEFINE_MUTEX(naming);
	static atomic_t twins = ATOMIC_INIT(0);
	struct dentry *twin;
	char name[40];

	snprintf(name, sizeof(name), "%d-%d", task_tgid_nr(current), fd);
	/*
	 * A VM outlives its descriptor's number where a child or a vCPU holds it, and
	 * threads may have tables of descriptors of their own, with the same numbers.
	 */
	mutex_lock(&naming);
	twin = debugfs_lookup(name, debugfs_root);
	if (twin) {
		dput(twin);
		snprintf(name, sizeof(name), "%d-%d.%u", task_tgid_nr(current), fd,
			 (unsigned int)atomic_inc_return(&twins));
	}
	vm->debugfs = debugfs_create_dir(name, debugfs_root);
	mutex_unlock(&naming);
	if (IS_ERR(vm->debugfs))
		return;
	/* Before there is a file that needs it. */
	d_inode(vm->debugfs)->i_private = vm;
	add_files(vm->debugfs);
}

void khv_debugfs_add_vcpu(struct khv_vcpu *vcpu)
{
	struct dentry *dir;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%d", vcpu->id);
	dir = debugfs_create_dir(name, vcpu->vm->debugfs);
	debugfs_create_file("stats", 0400, dir, vcpu, &vcpu_fops);
}

void khv_debugfs_remove_vm(struct khv_vm *vm)
{
	debugfs_remove_recursive(vm->debugfs);
}
