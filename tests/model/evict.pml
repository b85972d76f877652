/*
 * Evicting a table of the EPT (mm/pgtable_evict.c) while other CPUs fill it, withhold a right in it and walk it (mm/ept.c: ept_modify),
 * for Spin. There is one pointer to a table of two leaves, and the pool has two tables in all. Checked:
 *   - once a withdrawal counts as done no CPU, by what it has cached or by a walk, uses the right, until it is given back;
 *   - no CPU, by hardware or software, walks a freed table; no table has two owners;
 *   - nobody waits for ever.
 * That a kick reaches its CPU is grace.pml's to check: here a CPU in the guest that must invalidate may always exit for it.
 * Each BREAK_... leaves one thing out, and must make the check fail (model.mk).
 */
#ifndef CPUS
#define CPUS 2
#endif
#ifndef OPERATIONS
#define OPERATIONS 2 /* of each CPU in root mode */
#endif
#define NONE 0 /* a table's number is from 1 */
#ifdef BREAK_WITHHELD
#define GIVES_WAY(l) true
#else
#define GIVES_WAY(l) (leaf[l] != WITHHELD)
#endif

mtype = { ABSENT, FULL, WITHHELD };

byte pointer = 1;            /* in the entry above: the table, or NONE */
mtype leaf[6] = FULL;        /* of table t: 2 * t and 2 * t + 1; the right is withheld from the first only */
bool frozen[6];
bool dead[6];
bool is_free[3];
byte retired;                /* one table at a time waits for its period */
byte retired_epoch;

byte epoch = 1;
byte passed[CPUS];
bool quiet[CPUS] = true;
bool forbidden;              /* the withdrawal is done */
bool withdrawing;            /* vmm/guest_watch.c: its lock */
bool making_room;            /* vmm/table_pool.c: its lock */

/* what CPU c has cached: the table, and that the first leaf gives the right */
byte cached_table[CPUS];
bool cached_right[CPUS];

init {
    atomic {
        byte i;
        is_free[2] = true;
        for (i : 0 .. CPUS - 1) { run cpu(i) }
    }
}

/* grace_epoch(), INVEPT, grace_pass() */
inline pass() {
    seen = epoch;
    d_step { cached_table[me] = NONE; cached_right[me] = false };
    d_step { passed[me] = seen; seen = 0 }
}

/* Until all have passed `wanted`; who waits goes on passing. */
inline wait_for_all() {
    k = 0;
    do
    :: k == CPUS -> break
    :: k < CPUS && (passed[k] >= wanted || quiet[k]) -> k++
    :: k < CPUS && passed[k] < wanted && !quiet[k] && k == me -> pass()
    :: k < CPUS && passed[me] != epoch -> pass()
    od;
    k = 0
}

/* pgtable_evict() of the one table, and the shootdown that frees it. Lock held. */
inline evict() {
    table = pointer;
    if
    :: table == NONE
    :: else ->
       assert(!is_free[table]);
       k = 0;
       do
       :: k == 2 -> break
       :: atomic { /* the entry is looked at and frozen in one exchange */
              k < 2 && !frozen[2 * table + k] && !dead[2 * table + k] && GIVES_WAY(2 * table + k) ->
#ifndef BREAK_FREEZE
              frozen[2 * table + k] = true;
#endif
              k++
          }
       :: atomic { k < 2 && (frozen[2 * table + k] || dead[2 * table + k] || !GIVES_WAY(2 * table + k)) -> break }
       od;
       if
       :: k == 2 && pointer == table -> /* nobody else takes it out: the lock */
          pointer = NONE;
          dead[2 * table] = true;
          dead[2 * table + 1] = true;
          k = 0;
          atomic { epoch++; wanted = epoch };
#ifndef BREAK_GRACE
          wait_for_all();
#endif
          d_step { is_free[table] = true; wanted = 0 }
       :: else ->
          do
          :: k > 0 -> k--; frozen[2 * table + k] = false
          :: else -> break
          od
       fi
    fi;
    atomic { k = 0; table = NONE }
}

/* ept_fill(): one walk, at most one change. filled: the leaf is there. */
inline fill_step(which) {
    table = pointer;
    if
    :: table == NONE ->
       atomic { /* pool_get(), and the new table is made */
           if
           :: is_free[1] -> new = 1
           :: !is_free[1] && is_free[2] -> new = 2
           :: else -> new = NONE
           fi;
           if
           :: new != NONE ->
              is_free[new] = false;
              leaf[2 * new] = ABSENT; leaf[2 * new + 1] = ABSENT;
              frozen[2 * new] = false; frozen[2 * new + 1] = false;
              dead[2 * new] = false; dead[2 * new + 1] = false
           :: else
           fi
       };
       if
       :: new != NONE ->
          atomic {
              if
              :: pointer == NONE -> pointer = new
              :: else -> is_free[new] = true
              fi;
              new = NONE
          }
       :: else /* the slow path: whoever is evicting brings it back */
       fi
    :: else ->
       assert(!is_free[table]);
       atomic {
           if
           :: leaf[2 * table + which] == ABSENT && !frozen[2 * table + which] && !dead[2 * table + which] -> leaf[2 * table + which] = FULL
           :: else
           fi
       }
    fi;
    table = NONE
}

/* ept_modify(): what is absent is filled, what is there changed, and then it is looked at again. */
inline withhold() {
    do
    :: table = pointer;
       if
       :: table == NONE -> fill_step(0)
       :: else ->
          assert(!is_free[table]);
          atomic {
              if
              :: leaf[2 * table] == FULL && !frozen[2 * table] && !dead[2 * table] -> leaf[2 * table] = WITHHELD
              :: else
              fi;
              stale = leaf[2 * table] == ABSENT
          };
          if
          :: stale -> fill_step(0)
#ifdef BREAK_VERIFY
          :: else -> break
#else
          :: else
#endif
          fi
       fi;
       stale = false;
#ifndef BREAK_VERIFY
       table = pointer;
       if
       :: table != NONE ->
          assert(!is_free[table]);
          if
          :: leaf[2 * table] == WITHHELD -> break
          :: else
          fi
       :: else
       fi;
#endif
       /* while it has no page: it waits for one, and holds no pointer meanwhile */
       table = NONE;
       if
       :: passed[me] != epoch -> pass()
       :: else
       fi
    od;
    atomic { table = NONE; stale = false }
}

inline give_back() {
    atomic {
        forbidden = false;
        if
        :: pointer != NONE && leaf[2 * pointer] == WITHHELD -> leaf[2 * pointer] = FULL
        :: else
        fi
    }
}

/* An access of the guest to a leaf's page: by what is cached, or by a walk. */
inline access(which) {
    atomic {
        true;
        if
        :: cached_right[me] && which == 0 -> assert(!forbidden)
        :: else ->
           if
           :: cached_table[me] == NONE -> cached_table[me] = pointer
           :: else
           fi;
           if
           :: cached_table[me] != NONE ->
              assert(!is_free[cached_table[me]]);
              if
              :: which == 0 && leaf[2 * cached_table[me]] == FULL -> cached_right[me] = true; assert(!forbidden)
              :: else
              fi
           :: else
           fi
        fi
    }
}

proctype cpu(byte me) {
    byte seen, wanted, table, new, k, operations;
    bool stale;

    quiet[me] = false;
    do
    :: atomic { passed[me] != epoch -> skip }; pass() /* kicked, or before an entry */
    :: passed[me] == epoch -> /* in the guest */
       if
       :: access(0)
       :: access(1)
       :: operations < OPERATIONS -> operations++;
          if
          :: fill_step(0); fill_step(0)
          :: fill_step(1); fill_step(1)
          :: atomic { !making_room -> making_room = true }; evict(); making_room = false
          :: atomic { !withdrawing -> withdrawing = true };
             withhold();
             atomic { epoch++; wanted = epoch };
             wait_for_all();
             d_step { wanted = 0; forbidden = true };
             skip;
             give_back();
             withdrawing = false
          fi
       :: operations == OPERATIONS -> break
       fi
    od;
    quiet[me] = true /* it halts */
}
