/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints of the ferry engine: arcs, images, commands. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_ferry

#if !defined(FERRY_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define FERRY_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(ferry_arc,
	    TP_PROTO(const char *vf, const char *from, const char *to,
		     int error, u64 ns),
	    TP_ARGS(vf, from, to, error, ns),
	    TP_STRUCT__entry(__string(vf, vf)
			     __string(from, from)
			     __string(to, to)
			     __field(int, error)
			     __field(u64, ns)),
	    TP_fast_assign(__assign_str(vf);
			   __assign_str(from);
			   __assign_str(to);
			   __entry->error = error;
			   __entry->ns = ns;),
	    TP_printk("%s %s -> %s error %d after %llu ns", __get_str(vf),
		      __get_str(from), __get_str(to), __entry->error,
		      __entry->ns)
);

TRACE_EVENT(ferry_command,
	    TP_PROTO(const char *vf, const char *command, int error, u64 ns),
	    TP_ARGS(vf, command, error, ns),
	    TP_STRUCT__entry(__string(vf, vf)
			     __string(command, command)
			     __field(int, error)
			     __field(u64, ns)),
	    TP_fast_assign(__assign_str(vf);
			   __assign_str(command);
			   __entry->error = error;
			   __entry->ns = ns;),
	    TP_printk("%s %s error %d after %llu ns", __get_str(vf),
		      __get_str(command), __entry->error, __entry->ns)
);

TRACE_EVENT(ferry_image,
	    TP_PROTO(const char *vf, const char *event, const char *kind,
		     u64 length, u64 capacity),
	    TP_ARGS(vf, event, kind, length, capacity),
	    TP_STRUCT__entry(__string(vf, vf)
			     __string(event, event)
			     __string(kind, kind)
			     __field(u64, length)
			     __field(u64, capacity)),
	    TP_fast_assign(__assign_str(vf);
			   __assign_str(event);
			   __assign_str(kind);
			   __entry->length = length;
			   __entry->capacity = capacity;),
	    TP_printk("%s %s %s image, %llu of %llu bytes", __get_str(vf),
		      __get_str(event), __get_str(kind), __entry->length,
		      __entry->capacity)
);

#endif /* FERRY_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
