# Models of the concurrent parts, checked by Spin (Debian's `spin`). Included by the top-level Makefile; works alone too:
# make -f tests/model/model.mk model-check
#
# A model must pass as it is, and fail for every BREAK_... named in it: what is left out there is what the code needs.

BUILD ?= build
MODEL_CC ?= gcc
MODELS := $(wildcard tests/model/*.pml)

.PHONY: model-check model-check-3
model-check: ## check the models of grace periods, eviction and the page pool with Spin
	@for model in $(MODELS); do MODEL_CC=$(MODEL_CC) tests/model/check-model $$model $(BUILD)/model || exit 1; done

# The model of grace periods has too many states for that: it didn't end in 5*10^7 states.
model-check-3: ## the model of eviction with three CPUs: a minute, and 1.5 GiB of memory
	@MODEL_CC=$(MODEL_CC) tests/model/check-model tests/model/evict.pml $(BUILD)/model 3
