# SPDX-License-Identifier: GPL-2.0-only
"""The lab: boots virtual machines whose NIC is a model of a ConnectX-7."""
