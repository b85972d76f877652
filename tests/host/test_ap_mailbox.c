/* INIT and startup IPIs to one CPU: SDM vol. 3, 8.4, in every order of two and three. */
#include "tests/host/support.h"

#include "vmm/ap_mailbox.h"

enum step { SEND_INIT, SEND_A, SEND_B, TAKE, STEPS };
enum { VECTOR_A = 0x12, VECTOR_B = 0xa5 };

/* The plain model: does the CPU wait, is an INIT on its way, and which startup IPI is kept? */
struct model {
    bool waits, init;
    int vector;
};

static void model_step(struct model *model, enum step step)
{
    switch (step) {
    case SEND_INIT:
        model->init = !model->waits;
        model->vector = -1;
        break;
    case SEND_A:
    case SEND_B:
        if ((model->waits || model->init) && model->vector < 0)
            model->vector = step == SEND_A ? VECTOR_A : VECTOR_B;
        break;
    case TAKE:
        model->waits |= model->init;
        model->init = false;
        if (model->waits && model->vector >= 0) {
            model->waits = false;
            model->vector = -1;
        }
        break;
    case STEPS:
        break;
    }
}

/* What a CPU does when it is woken; the vector it starts at, or -1. */
static int take(struct ap_mailbox *mailbox)
{
    bool init = ap_mailbox_take_init(mailbox);
    uint8_t vector;

    (void)init;
    return ap_mailbox_take_startup(mailbox, &vector) ? vector : -1;
}

static void run(unsigned sequence, unsigned length, bool waits)
{
    struct ap_mailbox mailbox = {0};
    struct model model = {.waits = waits, .vector = -1};

    if (waits)
        ap_mailbox_reset(&mailbox);
    for (; length; length--, sequence /= STEPS) {
        enum step step = sequence % STEPS;
        struct model before = model;

        model_step(&model, step);
        if (step == SEND_INIT)
            assert_int_equal(ap_mailbox_send_init(&mailbox), !before.waits);
        else if (step == TAKE)
            assert_int_equal(take(&mailbox), before.waits || before.init ? before.vector : -1);
        else
            assert_int_equal(ap_mailbox_send_startup(&mailbox, step == SEND_A ? VECTOR_A : VECTOR_B),
                             before.vector < 0 && model.vector >= 0);
    }
}

static void every_order(void **state)
{
    unsigned sequences = 1;

    (void)state;
    for (unsigned length = 1; length <= 7; length++) {
        sequences *= STEPS;
        for (unsigned sequence = 0; sequence < sequences; sequence++) {
            run(sequence, length, false);
            run(sequence, length, true);
        }
    }
}

static void init_by_hardware(void **state)
{
    struct ap_mailbox mailbox = {0};

    (void)state;
    assert_false(ap_mailbox_send_startup(&mailbox, VECTOR_A));
    ap_mailbox_wait(&mailbox);
    assert_true(ap_mailbox_send_startup(&mailbox, VECTOR_B));
    assert_int_equal(take(&mailbox), VECTOR_B);
    assert_true(ap_mailbox_send_init(&mailbox));
    ap_mailbox_run(&mailbox);
    assert_false(ap_mailbox_take_init(&mailbox));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order),
        cmocka_unit_test(init_by_hardware),
    };

    return cmocka_run_group_tests_name("ap_mailbox", tests, NULL, NULL);
}
