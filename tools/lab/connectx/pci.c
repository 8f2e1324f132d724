/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the PCI functions.
 *
 * Owns the QEMU device types, their configuration space, BARs, properties
 * and resets.  PF 15b3:1021, VFs 15b3:101e, all with MSI-X and FLR; the VFs
 * are realised with the PF, as QEMU's SR-IOV wants.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/cutils.h"
#include "qapi/error.h"
#include "hw/pci/msix.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_sriov.h"
#include "hw/qdev-properties.h"
#include "ethernet.h"

#define VENDOR_MELLANOX 0x15b3
#define DEVICE_CX7      0x1021
#define DEVICE_CX_VF    0x101e
#define CAP_PCIE        0x60
#define CAP_MSIX        0x9c
#define EXT_CAP_AER     0x100
#define EXT_CAP_ARI     0x150
#define EXT_CAP_SERIAL  0x160
#define EXT_CAP_SRIOV   0x180
#define BAR_TYPE        (PCI_BASE_ADDRESS_MEM_TYPE_64 | \
                         PCI_BASE_ADDRESS_MEM_PREFETCH)

CxVhca *cx_by_function(CxPf *pf, unsigned function)
{
    return function <= pf->total_vfs ? pf->vhca[function] : NULL;
}

CxVhca *cx_by_vhca_id(CxPf *pf, unsigned vhca_id)
{
    for (unsigned i = 0; i <= pf->total_vfs; i++) {
        if (pf->vhca[i] && pf->vhca[i]->vhca_id == vhca_id) {
            return pf->vhca[i];
        }
    }
    return NULL;
}

/* What a PF may come back with, if it is told to. */
void cx_pf_started(CxPf *pf)
{
    if (!pf->reloaded) {
        pf->reloaded = true;
        return;
    }
    for (unsigned i = 1; i <= pf->total_vfs; i++) {
        pf->vhca[i]->vhca_id += pf->vhca_id_step;
    }
    pf->in_chunks ^= pf->reload_flips_chunks;
}

void cx_vhca_clear(CxVhca *v)
{
    cx_objects_clear(v);
    v->cmdq = 0;
    v->doorbells = 0;
    v->issi = 0;
    v->enabled = false;
    v->inited = false;
    cx_caps_reset(v);
    cx_vport_reset(v);
    cx_devmem_clear(&v->mem);
}

/* Back to nothing.  A tracker goes on: it belongs to the PF. */
void cx_vhca_stop(CxVhca *v)
{
    cx_command_cancel_all(v);
    cx_migration_reset(v);
    cx_switch_drop(v);
    cx_vhca_clear(v);
    cx_workload_reset(v);
}

/*
 * What the kernel's AER service and error_detected() of the drivers hear of.
 * A fatal one is of the link that all functions share.
 */
void cx_pci_error(CxVhca *v, bool fatal)
{
    PCIDevice *d = PCI_DEVICE(v);
    PCIEAERErr error = {
        .status = fatal ? PCI_ERR_UNC_MALF_TLP : PCI_ERR_UNC_COMP_ABORT,
        .source_id = pci_requester_id(d),
    };

    cx_trace_note(v, fatal ? "fatal PCI error" : "PCI error");
    pcie_aer_inject_error(d, &error);
    if (fatal) {
        cx_gone(v->pf->vhca[0]);
    }
}

/* FLR, or a reset of the bus. */
static void cx_vhca_reset(Object *obj, ResetType type)
{
    CxVhca *v = CX_VHCA(obj);

    if (!v->pf) {
        return;
    }
    cx_trace_note(v, "reset");
    if (!v->function) {
        pcie_sriov_pf_reset(PCI_DEVICE(v));
        for (unsigned i = 1; i <= v->pf->total_vfs; i++) {
            cx_by_function(v->pf, i)->enabled_by_pf = false;
        }
    }
    /* A driver that lives on finds its interface gone. */
    v->nic_interface = v->cmdq ? NIC_IFC_DISABLED : NIC_IFC_FULL;
    v->health_synd = 0;
    v->gone = false;
    cx_vhca_stop(v);
    v->ready_ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                  v->pf->flr_ms * (int64_t)SCALE_MS;
}

static void cx_config_write(PCIDevice *d, uint32_t addr, uint32_t value,
                            int len)
{
    pci_default_write_config(d, addr, value, len);
    pcie_cap_flr_write_config(d, addr, value, len);
    pcie_aer_write_config(d, addr, value, len);
}

static void cx_bars_init(CxVhca *v)
{
    PCIDevice *d = PCI_DEVICE(v);
    Object *o = OBJECT(v);

    memory_region_init(&v->bar0, o, "connectx7-bar0", BAR0_SIZE);
    memory_region_init_io(&v->regs, o, &cx_regs_ops, v, "connectx7-regs",
                          BAR0_REGS_SIZE);
    memory_region_add_subregion(&v->bar0, 0, &v->regs);
    pci_register_bar(d, 0, BAR_TYPE, &v->bar0);

    memory_region_init(&v->bar2, o, "connectx7-lab",
                       v->function ? v->pf->vf_bar2_size : BAR2_SIZE);
    memory_region_init_io(&v->workload_regs, o, &cx_workload_ops, v,
                          "connectx7-workload", WL_SIZE);
    memory_region_add_subregion(&v->bar2, BAR2_WORKLOAD, &v->workload_regs);
    memory_region_init_io(&v->window, o, &cx_window_ops, v,
                          "connectx7-window", BAR2_WINDOW_SIZE);
    memory_region_add_subregion(&v->bar2, BAR2_WINDOW, &v->window);
    if (!v->function) {
        memory_region_init_io(&v->control_regs, o, &cx_control_ops, v,
                              "connectx7-control", CB_SIZE);
        memory_region_add_subregion(&v->bar2, BAR2_CONTROL, &v->control_regs);
    }
    pci_register_bar(d, 2, BAR_TYPE, &v->bar2);
}

static bool cx_vhca_realize(CxVhca *v, CxPf *pf, unsigned function,
                            Error **errp)
{
    PCIDevice *d = PCI_DEVICE(v);

    d->config_write = cx_config_write;
    v->pf = pf;
    v->function = function;
    v->vhca_id = VHCA_ID_PF + function;
    v->vectors = function ? pf->vf_vectors : MSIX_VECTORS;
    v->migratable = function && pf->migratable >> (function - 1) & 1;
    QTAILQ_INIT(&v->commands);
    cx_objects_init(v);
    cx_caps_reset(v);
    cx_vport_reset(v);
    cx_devmem_init(&v->mem, pf->state_size);
    cx_workload_init(v);
    v->doorbell_bh = qemu_bh_new_guarded(cx_command_bh, v,
                                         &DEVICE(v)->mem_reentrancy_guard);
    v->send_bh = qemu_bh_new_guarded(cx_sq_bh, v,
                                     &DEVICE(v)->mem_reentrancy_guard);
    pf->vhca[function] = v;

    cx_bars_init(v);
    if (msix_init(d, v->vectors, &v->bar0, 0, BAR0_MSIX_TABLE, &v->bar0, 0,
                  BAR0_MSIX_PBA, CAP_MSIX, errp)) {
        return false;
    }
    for (unsigned i = 0; i < v->vectors; i++) {
        msix_vector_use(d, i);
    }
    if (pcie_endpoint_cap_init(d, CAP_PCIE) < 0) {
        error_setg(errp, "cannot add the PCI Express capability");
        return false;
    }
    pcie_cap_flr_init(d);
    pcie_cap_deverr_init(d);
    if (pcie_aer_init(d, PCI_ERR_VER, EXT_CAP_AER, PCI_ERR_SIZEOF, errp) < 0) {
        return false;
    }
    pcie_ari_init(d, EXT_CAP_ARI);
    if (function && pf->vf_serial) {
        pcie_dev_ser_num_init(d, EXT_CAP_SERIAL, function);
    }
    return true;
}

static void cx_vhca_unrealize(CxVhca *v)
{
    cx_command_cancel_all(v);
    cx_migration_reset(v);
    cx_tracker_detach(v);
    cx_switch_drop(v);
    cx_objects_clear(v);
    qemu_bh_delete(v->doorbell_bh);
    qemu_bh_delete(v->send_bh);
    cx_workload_free(v);
    cx_devmem_free(&v->mem);
    pcie_aer_exit(PCI_DEVICE(v));
    pcie_cap_exit(PCI_DEVICE(v));
    msix_uninit(PCI_DEVICE(v), &v->bar0, &v->bar0);
    v->pf->vhca[v->function] = NULL;
}

static bool cx_estimate_parse(CxPf *pf, Error **errp)
{
    const char *text = pf->estimate ? pf->estimate : "25%", *end;

    pf->estimate_full = !strcmp(text, "full");
    if (pf->estimate_full || !strcmp(text, "exact") ||
        (!qemu_strtoui(text, &end, 10, &pf->estimate_excess) &&
         !strcmp(end, "%"))) {
        return true;
    }
    error_setg(errp, "estimate must be exact, full or N%%");
    return false;
}

static bool cx_firmware_parse(CxPf *pf, Error **errp)
{
    if (!pf->psid) {
        pf->psid = g_strdup("FERRY_MODEL_0001");
    }
    if (!pf->fw_version) {
        pf->fw_version = g_strdup("28.40.1000");
    }
    if (sscanf(pf->fw_version, "%hu.%hu.%hu", &pf->fw[0], &pf->fw[1],
               &pf->fw[2]) == 3 && strlen(pf->psid) <= 16) {
        return true;
    }
    error_setg(errp, "fw-version must be N.N.N, psid at most 16 characters");
    return false;
}

static bool cx_pf_check(CxPf *pf, Error **errp)
{
    if (pf->total_vfs < 1 || pf->total_vfs > CX_MAX_VFS) {
        error_setg(errp, "total-vfs must be 1 to %u", CX_MAX_VFS);
        return false;
    }
    if (pf->vf_vectors < 1 || pf->vf_vectors > MSIX_VECTORS ||
        pf->vf_bar2_size < BAR2_SIZE || !is_power_of_2(pf->vf_bar2_size)) {
        error_setg(errp, "vf-vectors must be 1 to %u, vf-bar2-size a power of "
                   "2 from %u on", MSIX_VECTORS, BAR2_SIZE);
        return false;
    }
    if (!pf->state_size || pf->state_size % CX_PAGE ||
        pf->state_noise % CX_PAGE || pf->state_noise > pf->state_size) {
        error_setg(errp, "state-size and state-noise must be multiples of "
                   "%u, the noise at most the size", CX_PAGE);
        return false;
    }
    if (pf->chunk_size < 64 * KiB || !pf->save_mbps || !pf->load_mbps) {
        error_setg(errp, "chunk-size must be at least 64K, save-mbps and "
                   "load-mbps at least 1");
        return false;
    }
    if (pf->cmdq_log_size < 1 || pf->cmdq_log_size > CMDQ_LOG_SIZE) {
        error_setg(errp, "cmdq-log-size must be 1 to %u", CMDQ_LOG_SIZE);
        return false;
    }
    if (pf->track_log_min_page < 12 || pf->track_log_max_page > 30 ||
        pf->track_log_max_msg > 20 || pf->track_log_min_msg < 4) {
        error_setg(errp, "pg-track-*: pages of 2^12 to 2^30 and messages of "
                   "2^4 to 2^20 bytes are possible");
        return false;
    }
    return true;
}

/* Two NICs that meet need different ones: the property "mac". */
static void cx_mac_default(MACAddr *mac)
{
    static const MACAddr zero, own = { { 0x02, 0xc7, 0x00, 0x00, 0x01, 0x00 } };

    if (!memcmp(mac, &zero, sizeof(zero))) {
        *mac = own;
    }
}

static void cx_pf_realize(PCIDevice *d, Error **errp)
{
    CxPf *pf = CX_PF(d);

    if (!cx_pf_check(pf, errp) || !cx_estimate_parse(pf, errp) ||
        !cx_firmware_parse(pf, errp) || !cx_trace_init(pf, errp) ||
        !cx_control_init(pf, errp)) {
        return;
    }
    cx_mac_default(&pf->nic.macaddr);
    pf->tracker_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, cx_tracker_timer, pf);
    if (!cx_vhca_realize(CX_VHCA(d), pf, 0, errp) ||
        !pcie_sriov_pf_init(d, EXT_CAP_SRIOV, TYPE_CX_VF, DEVICE_CX_VF,
                            pf->total_vfs, pf->total_vfs, 1, 1, errp)) {
        return;
    }
    pcie_sriov_pf_init_vf_bar(d, 0, BAR_TYPE, BAR0_SIZE);
    pcie_sriov_pf_init_vf_bar(d, 2, BAR_TYPE, pf->vf_bar2_size);
    if (pf->ethernet) {
        cx_switch_init(pf);
    }
}

static void cx_pf_exit(PCIDevice *d)
{
    CxPf *pf = CX_PF(d);

    pcie_sriov_pf_exit(d);
    cx_vhca_unrealize(CX_VHCA(d));
    cx_switch_free(pf);
    timer_free(pf->tracker_timer);
    cx_control_free(pf);
    cx_trace_free(pf);
}

static void cx_vf_realize(PCIDevice *d, Error **errp)
{
    cx_vhca_realize(CX_VHCA(d), CX_PF(pcie_sriov_get_pf(d)),
                    pcie_sriov_vf_number(d) + 1, errp);
}

static void cx_vf_exit(PCIDevice *d)
{
    cx_vhca_unrealize(CX_VHCA(d));
}

/* Speeds and sizes resemble what is published of the NIC; see README.md. */
static const Property cx_pf_properties[] = {
    DEFINE_PROP_UINT32("total-vfs", CxPf, total_vfs, 8),
    DEFINE_PROP_UINT32("vf-vectors", CxPf, vf_vectors, MSIX_VECTORS),
    DEFINE_PROP_SIZE("vf-bar2-size", CxPf, vf_bar2_size, BAR2_SIZE),
    DEFINE_PROP_BOOL("vf-serial", CxPf, vf_serial, false),
    DEFINE_PROP_SIZE("state-size", CxPf, state_size, 16 * MiB),
    DEFINE_PROP_SIZE("state-noise", CxPf, state_noise, 0),
    DEFINE_PROP_SIZE32("chunk-size", CxPf, chunk_size, 1 * MiB),
    DEFINE_PROP_SIZE32("chunk-growth", CxPf, chunk_growth, 0),
    DEFINE_PROP_UINT32("cmd-latency-us", CxPf, cmd_latency_us, 20),
    DEFINE_PROP_UINT32("save-mbps", CxPf, save_mbps, 2000),
    DEFINE_PROP_UINT32("load-mbps", CxPf, load_mbps, 2000),
    DEFINE_PROP_ON_OFF_AUTO("reload-loses-track", CxPf, reload_loses_track,
                            ON_OFF_AUTO_AUTO),
    DEFINE_PROP_UINT32("grow", CxPf, grow, 5),
    DEFINE_PROP_UINT32("grow-middle", CxPf, grow_middle, 0),
    DEFINE_PROP_BOOL("short-saves", CxPf, short_saves, false),
    DEFINE_PROP_STRING("psid", CxPf, psid),
    DEFINE_PROP_STRING("fw-version", CxPf, fw_version),
    DEFINE_PROP_UINT8("cmdq-log-size", CxPf, cmdq_log_size, CMDQ_LOG_SIZE),
    DEFINE_PROP_UINT32("vhca-id-step", CxPf, vhca_id_step, 0),
    DEFINE_PROP_BOOL("reload-flips-chunks", CxPf, reload_flips_chunks, false),
    DEFINE_PROP_STRING("estimate", CxPf, estimate),
    DEFINE_PROP_UINT32("query-us", CxPf, query_us, 100),
    DEFINE_PROP_UINT32("suspend-us", CxPf, suspend_us, 500),
    DEFINE_PROP_UINT32("resume-us", CxPf, resume_us, 500),
    DEFINE_PROP_UINT32("flr-ms", CxPf, flr_ms, 10),
    DEFINE_PROP_UINT32("load-setup-ms", CxPf, load_setup_ms, 2),
    DEFINE_PROP_ON_OFF_AUTO("end-key", CxPf, end_key, ON_OFF_AUTO_AUTO),
    DEFINE_PROP_ON_OFF_AUTO("end-size", CxPf, end_size, ON_OFF_AUTO_AUTO),
    DEFINE_PROP_BOOL("end-query", CxPf, end_query, true),
    DEFINE_PROP_UINT8("key-max-log-page", CxPf, key_max_log_page, 16),
    DEFINE_PROP_BOOL("key-align", CxPf, key_align, true),
    DEFINE_PROP_BOOL("key-octwords", CxPf, key_octwords, true),
    DEFINE_PROP_BOOL("key-access", CxPf, key_access, true),
    DEFINE_PROP_BOOL("migration", CxPf, migration, true),
    DEFINE_PROP_BOOL("multi-load", CxPf, multi_load, true),
    DEFINE_PROP_BOOL("tracking-state", CxPf, tracking_state, true),
    DEFINE_PROP_BOOL("in-chunks", CxPf, in_chunks, true),
    DEFINE_PROP_BOOL("migration-state", CxPf, migration_state, true),
    DEFINE_PROP_BOOL("adv-virtualization", CxPf, adv_virtualization, true),
    DEFINE_PROP_UINT64("migratable", CxPf, migratable, UINT64_MAX),
    DEFINE_PROP_UINT8("pg-track-max-num-range", CxPf, track_max_ranges, 16),
    DEFINE_PROP_UINT8("pg-track-log-max-num", CxPf, track_log_max_num, 6),
    DEFINE_PROP_UINT8("pg-track-log-min-addr-space", CxPf,
                      track_log_min_space, 12),
    DEFINE_PROP_UINT8("pg-track-log-max-addr-space", CxPf,
                      track_log_max_space, 52),
    DEFINE_PROP_UINT8("pg-track-log-min-msg-size", CxPf,
                      track_log_min_msg, 6),
    DEFINE_PROP_UINT8("pg-track-log-max-msg-size", CxPf,
                      track_log_max_msg, 16),
    DEFINE_PROP_UINT8("pg-track-log-min-page-size", CxPf,
                      track_log_min_page, 12),
    DEFINE_PROP_UINT8("pg-track-log-max-page-size", CxPf,
                      track_log_max_page, 21),
    DEFINE_PROP_BOOL("full-messages", CxPf, full_messages, true),
    DEFINE_PROP_STRING("faults", CxPf, faults),
    DEFINE_PROP_STRING("trace", CxPf, trace_path),
    DEFINE_PROP_BOOL("ethernet", CxPf, ethernet, false),
    DEFINE_NIC_PROPERTIES(CxPf, nic),
};

static void cx_vhca_class(ObjectClass *klass, void *data)
{
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->vendor_id = VENDOR_MELLANOX;
    k->subsystem_vendor_id = VENDOR_MELLANOX;
    k->subsystem_id = 0x0023;
    k->class_id = PCI_CLASS_NETWORK_ETHERNET;
    RESETTABLE_CLASS(klass)->phases.hold = cx_vhca_reset;
    set_bit(DEVICE_CATEGORY_NETWORK, DEVICE_CLASS(klass)->categories);
}

static void cx_pf_class(ObjectClass *klass, void *data)
{
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->device_id = DEVICE_CX7;
    k->realize = cx_pf_realize;
    k->exit = cx_pf_exit;
    DEVICE_CLASS(klass)->desc = "ConnectX-7 (model of its firmware interface)";
    device_class_set_props(DEVICE_CLASS(klass), cx_pf_properties);
}

static void cx_vf_class(ObjectClass *klass, void *data)
{
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->device_id = DEVICE_CX_VF;
    k->realize = cx_vf_realize;
    k->exit = cx_vf_exit;
    DEVICE_CLASS(klass)->user_creatable = false;
}

static const TypeInfo cx_types[] = {
    {
        .name = TYPE_CX_VHCA,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(CxVhca),
        .class_init = cx_vhca_class,
        .abstract = true,
        .interfaces = (InterfaceInfo[]) { { INTERFACE_PCIE_DEVICE }, { } },
    }, {
        .name = TYPE_CX_PF,
        .parent = TYPE_CX_VHCA,
        .instance_size = sizeof(CxPf),
        .class_init = cx_pf_class,
    }, {
        .name = TYPE_CX_VF,
        .parent = TYPE_CX_VHCA,
        .instance_size = sizeof(CxVhca),
        .class_init = cx_vf_class,
    },
};
DEFINE_TYPES(cx_types)
