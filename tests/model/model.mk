# Models of the concurrent parts, checked by Spin (Debian's `spin`). Included by the top-level Makefile; works alone too:
# make -f tests/model/model.mk model-check
#
# A model must pass as it is, and fail for every BREAK_... named in it: what is left out there is what the code needs.

BUILD ?= build
MODEL_CC ?= gcc
MODELS := $(wildcard tests/model/*.pml)

.PHONY: model-check
model-check: ## check the models of grace periods and of the page pool with Spin
	@for model in $(MODELS); do MODEL_CC=$(MODEL_CC) tests/model/check-model $$model $(BUILD)/model || exit 1; done
