/*
 * Grace periods, shootdown and wait-for-SIPI (mm/grace.c, arch/x86/vmx/nmi.c, vmx_enter.S), for Spin.
 *
 * Each CPU is in the guest, in root mode, or in the guest's wait-for-SIPI state, where NMIs stay pending. In the guest it uses
 * what it has cached: a right on each page, and a pointer into the tables. In root mode it withdraws a right and waits until all
 * have passed, or replaces a table and frees it some time later, or only walks. Checked:
 *   - no CPU uses a right after its withdrawal counted as done;
 *   - no CPU, by hardware or software, walks a freed table;
 *   - nobody waits for ever: a guest that halts is woken by nothing but an NMI, so a lost kick is a deadlock;
 *   - every NMI that a kick sent is known as a kick when it comes (the guest gets none of them).
 * Each BREAK_... leaves one thing out, and must make the check fail (model.mk).
 */
#ifndef CPUS
#define CPUS 2
#endif
#ifndef OPERATIONS
#define OPERATIONS 2 /* of each CPU in root mode */
#endif
#define NONE 2

mtype = { GUEST, ROOT, WAIT_FOR_SIPI };

mtype state[CPUS] = ROOT;
byte epoch = 1;
byte passed[CPUS];
bool quiet[CPUS] = true;
bool slow_work[CPUS];
bool kicked[CPUS];
bool nmi_pending[CPUS];
bool in_window[CPUS]; /* between the test of slow_work and the entry */
bool rewind[CPUS];    /* the NMI handler has moved RIP to the slow path */
bool sipi[CPUS];

bool right[CPUS] = true; /* of page c, which CPU c withdraws and gives back */
bool forbidden[CPUS];    /* its withdrawal is done */
byte linked = 0;         /* which of two tables is in the tree */
bool freed[2];
bool retiring;           /* one table waits for its period (struct grace_reclaim) */
byte retired, retired_epoch;

/* what CPU c has cached, as bits: its rights on each page; and its pointer to a table */
typedef cache { bool right[CPUS]; byte table };
cache cached[CPUS];

init {
    byte i;
    freed[1] = true;
    for (i : 0 .. CPUS - 1) { cached[i].table = NONE }
    atomic { for (i : 0 .. CPUS - 1) { run cpu(i); run nmi(i) } }
}

/* An NMI in root mode comes at any time. */
proctype nmi(byte me) {
end_idle:
    do
    :: atomic {
           nmi_pending[me] && state[me] == ROOT;
           nmi_pending[me] = false;
           assert(kicked[me]);
           kicked[me] = false;
           slow_work[me] = true;
           if
#ifndef BREAK_REWIND
           :: in_window[me] -> rewind[me] = true
#endif
           :: else
           fi
       }
    od
}

inline invalidate() {
    d_step {
        for (k : 0 .. CPUS - 1) { cached[me].right[k] = false }
        cached[me].table = NONE;
        k = 0
    }
}

/* grace_epoch(), INVEPT, grace_pass() */
inline pass() {
    seen = epoch;
#ifndef BREAK_INVALIDATE
    invalidate();
#endif
    d_step { passed[me] = seen; seen = 0 }
}

inline kick(c) {
    slow_work[c] = true;
    if
#ifndef BREAK_KICK
    :: atomic { !kicked[c] -> kicked[c] = true }; nmi_pending[c] = true
#endif
    :: else
    fi
}

/* Every CPU shall look at the epoch before its next entry. */
inline flag_all() {
    d_step { for (k : 0 .. CPUS - 1) { slow_work[k] = true }; k = 0 }
}

/* Walks of software: the table that was found is read later. */
inline walk() {
    table = linked;
    d_step { assert(!freed[table]); table = NONE }
}

/* Waits for `wanted` epoch: whoever hasn't passed is kicked. A CPU that waits goes on passing itself, or two would wait for each other. */
inline wait_for_all() {
    k = 0;
    do
    :: k == CPUS -> break
    :: k < CPUS && k != me && passed[k] < wanted && !quiet[k] -> kick(k);
       do
       :: passed[k] >= wanted || quiet[k] -> break
#ifndef BREAK_SELF_PASS
       :: passed[me] != epoch -> other = k; pass(); d_step { k = other; other = 0 }
#endif
       od
    :: else -> k++
    od;
    k = 0;
    if
    :: passed[me] < wanted -> pass()
    :: else
    fi
}

inline withdraw() {
    right[me] = false;
    atomic { epoch++; wanted = epoch };
    flag_all();
    wait_for_all();
    forbidden[me] = true;
    d_step { forbidden[me] = false; right[me] = true; wanted = 0 }
}

inline retire() {
    if
    :: atomic { !retiring -> retiring = true };
       atomic { /* compare-and-exchange of the pointer */
           retired = linked;
           linked = 1 - linked;
           freed[linked] = false
       };
       atomic { epoch++; retired_epoch = epoch };
       flag_all()
    :: else
    fi
}

inline reclaim() {
    if
    :: atomic { /* retired_epoch 0 keeps others out, like `busy` */
           retiring && retired_epoch > 0 ->
           wanted = retired_epoch;
           retired_epoch = 0
       };
       k = 0;
       do /* grace_over(): one look at each CPU */
       :: k == CPUS -> break
#ifdef BREAK_RECLAIM
       :: k < CPUS -> k++
#else
       :: k < CPUS && (passed[k] >= wanted || quiet[k]) -> k++
       :: else -> break
#endif
       od;
       if
       :: k == CPUS -> d_step { freed[retired] = true; retiring = false; retired = 0 }
       :: else -> retired_epoch = wanted
       fi;
       d_step { k = 0; wanted = 0 }
    :: else
    fi
}

inline access(page) {
    atomic {
        true;
        if
        :: !cached[me].right[page] ->
           if
           :: cached[me].table == NONE -> cached[me].table = linked
           :: else
           fi;
           assert(!freed[cached[me].table]);
           cached[me].right[page] = right[page]
        :: else
        fi;
        assert(!(cached[me].right[page] && forbidden[page]))
    }
}

proctype cpu(byte me) {
    byte seen, wanted, table = NONE, k, other, operations = 0;
    bool waiting = false;

    quiet[me] = false;
    goto slow;

root:
    if
    :: operations < OPERATIONS -> operations++;
       if
       :: skip; withdraw()
       :: skip; retire()
       :: walk()
       :: skip; reclaim()
       :: waiting = true /* INIT */
       fi
    :: operations == OPERATIONS
    fi;
    if
    :: waiting -> quiet[me] = true /* grace_quiet(), the last thing */
    :: else
    fi;

resume:
    if
    :: atomic { slow_work[me] -> slow_work[me] = false; goto slow }
    :: atomic { !slow_work[me] -> in_window[me] = true }
    fi;
    atomic {
        in_window[me] = false;
        if
        :: rewind[me] -> rewind[me] = false; slow_work[me] = false; goto slow
        :: else ->
           if
           :: waiting -> state[me] = WAIT_FOR_SIPI; goto wait_for_sipi
           :: else -> state[me] = GUEST; goto guest
           fi
        fi
    };

slow:
    if
    :: passed[me] != epoch -> pass()
    :: else
    fi;
    goto resume;

guest:
    /* accesses: cached, or by a walk of the hardware that fills the cache */
    do
    :: access(0)
    :: access(1)
#if CPUS > 2
    :: access(2)
#endif
    :: atomic { operations < OPERATIONS -> state[me] = ROOT; goto root } /* some exit */
    :: atomic { state[(me + 1) % CPUS] == WAIT_FOR_SIPI -> sipi[(me + 1) % CPUS] = true; break } /* starts the other, then halts */
    :: break
    od;
end_halted:
    atomic { nmi_pending[me] -> nmi_pending[me] = false; state[me] = ROOT };
    assert(kicked[me]);
    kicked[me] = false;
    goto root;

wait_for_sipi:
end_wait_for_sipi:
    atomic { sipi[me] -> sipi[me] = false; state[me] = ROOT };
#ifndef BREAK_WAKE
    quiet[me] = false; /* grace_wake(), the first thing */
#endif
    waiting = false;
    goto root
}
