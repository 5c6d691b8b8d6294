# SPDX-License-Identifier: GPL-2.0-only
#
# Debian's own kernels, unpacked into the cache and never installed. Names and
# versions are resolved from apt's lists when they are needed, as they move on.
