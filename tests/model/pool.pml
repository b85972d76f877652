/*
 * The free list of mm/pool.c, a stack whose head carries a counter, for Spin: however its steps interleave, no page has two owners
 * and none is lost. BREAK_COUNTER leaves the counter out; the stack then falls to the ABA problem.
 */
#define CPUS 2
#define PAGES 3
#define ROUNDS 2
#define END 0 /* a link is a page's number, from 1 */

byte head = 1;
byte counter;
byte links[PAGES + 1];
bool owned[PAGES + 1];
byte finished;

init {
    byte i;
    atomic {
        for (i : 1 .. PAGES - 1) { links[i] = i + 1 }
        for (i : 1 .. CPUS) { run cpu() }
    }
    finished == CPUS;
    /* every page is on the list, once */
    i = 0;
    do
    :: head != END -> assert(!owned[head]); owned[head] = true; head = links[head]; i++
    :: else -> break
    od;
    assert(i == PAGES)
}

/* Compare-and-exchange of head and counter. */
inline exchange(new) {
    atomic {
        if
#ifdef BREAK_COUNTER
        :: head == first ->
#else
        :: head == first && counter == seen ->
#endif
           head = new; counter++; done = true
        :: else -> done = false
        fi
    }
}

inline pop() {
    do
    :: atomic { first = head; seen = counter };
       if
       :: first == END -> page = END; break
       :: else
       fi;
       rest = links[first];
       exchange(rest);
       if
       :: done -> page = first; break
       :: else
       fi
    od
}

inline push(page) {
    do
    :: atomic { first = head; seen = counter };
       links[page] = first;
       exchange(page);
       if
       :: done -> break
       :: else
       fi
    od
}

inline take(page) {
    d_step {
        if
        :: page != END -> assert(!owned[page]); owned[page] = true
        :: else
        fi
    }
}

inline put(page) {
    if
    :: page != END -> owned[page] = false; push(page)
    :: else
    fi
}

/* Takes two pages, returns them in either order. */
proctype cpu() {
    byte first, seen, rest, page, one, two, round;
    bool done;

    for (round : 1 .. ROUNDS) {
        pop(); take(page); one = page;
        pop(); take(page); two = page;
        if
        :: skip; put(one); put(two)
        :: skip; put(two); put(one)
        fi
    }
    finished++
}
