/* CRC-32C on 64-bit ARM: the crc32c instructions, optional in ARMv8.0. */
#ifndef GT_CRC32C_ARM_H
#define GT_CRC32C_ARM_H

#include <sys/auxv.h>

#ifdef __clang__
#define GT_ARM_TARGET __attribute__((target("crc")))
#else
#define GT_ARM_TARGET __attribute__((target("+crc")))
#endif

/* The builtins, not arm_acle.h: that one hides them unless the whole file is compiled for them. */
#ifdef __clang__
#define GT_ARM_CRC_8 __builtin_arm_crc32cd
#define GT_ARM_CRC_4 __builtin_arm_crc32cw
#define GT_ARM_CRC_1 __builtin_arm_crc32cb
#else
#define GT_ARM_CRC_8 __builtin_aarch64_crc32cx
#define GT_ARM_CRC_4 __builtin_aarch64_crc32cw
#define GT_ARM_CRC_1 __builtin_aarch64_crc32cb
#endif

enum { GT_ARM_HAS_CRC32 = 1 << 7 }; /* HWCAP_CRC32 of the Linux ABI */

GT_CRC32C_BY_INSTRUCTION(gt_crc32c_armv8, GT_ARM_TARGET, GT_ARM_CRC_8, GT_ARM_CRC_4, GT_ARM_CRC_1)

static void gt_crc32c_choose(const char *forced) {
    (void)forced;
    if (!(getauxval(AT_HWCAP) & GT_ARM_HAS_CRC32)) return;
    gt_crc32c_chosen = gt_crc32c_armv8;
    gt_crc32c_path = "armv8";
}

#endif
