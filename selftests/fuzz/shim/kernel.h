/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's build puts before every file: types and attributes. Only what
 * kmod/parse.h, frame.h and key.h use; headers of packets are the kernel's own, of
 * linux-libc-dev.
 */
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The C library defines both orders; in the kernel the one that is not ours is absent. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#undef __BIG_ENDIAN
#else
#undef __LITTLE_ENDIAN
#endif

#include <asm/byteorder.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define htons(x)	__cpu_to_be16(x)
#define ntohs(x)	__be16_to_cpu(x)
#define cpu_to_le32(x)	__cpu_to_le32(x)

#define __force
#define __packed	__attribute__((__packed__))
#define __aligned(n)	__attribute__((__aligned__(n)))
#define __uninitialized
#define noinline	__attribute__((__noinline__))

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define static_assert(x)	_Static_assert(x, #x)

#define U16_MAX		0xffff
#define U32_MAX		0xffffffff
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))

#define min_t(type, a, b) ({						\
	type a_ = (a), b_ = (b);					\
									\
	a_ < b_ ? a_ : b_;						\
})

/* What must hold does not: libFuzzer keeps the input. */
#define FAIL_IF(cond) do {						\
	if (cond) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);	\
		abort();						\
	}								\
} while (0)

#endif
