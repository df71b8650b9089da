# llamascope: `make` lists what can be done. Every target does its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Server code is TypeScript run by Node itself (>= 22.18). An older Node on the machine is left alone: the registry's
# own build of Node 24 goes into .tools/, which git ignores.
NODE_VERSION := 24.21.0
NODE_PLATFORM := $(shell uname -s | tr A-Z a-z)-$(shell uname -m | sed 's/x86_64/x64/;s/aarch64/arm64/')
NODE_DIR := $(CURDIR)/.tools/node/node_modules/node-$(NODE_PLATFORM)/bin
NODE_IS_NEW := $(shell node -e 'const [a,b]=process.versions.node.split(".").map(Number);process.exit(a>22||(a===22&&b>=18)?0:1)' 2>/dev/null && echo yes)
ifeq ($(NODE_IS_NEW),yes)
NODE_READY :=
export PATH := $(CURDIR)/node_modules/.bin:$(PATH):$(CURDIR)/.tools/debian/usr/bin
else
NODE_READY := $(NODE_DIR)/node
export PATH := $(NODE_DIR):$(CURDIR)/node_modules/.bin:$(PATH):$(CURDIR)/.tools/debian/usr/bin
endif
INSTALLED := node_modules/.package-lock.json

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

$(NODE_DIR)/node:
	@command -v npm >/dev/null || { echo "npm: expected on PATH (any version that comes with Node 20 or later), found none. Install Node.js 20+ with npm, then run make again."; exit 1; }
	@echo "Node >= 22.18 is needed, $$(node -v 2>/dev/null || echo none) is here: fetching Node $(NODE_VERSION) into .tools/ (about 40 MB)"
	@npm install --prefix .tools/node --no-save --no-package-lock --no-fund --no-audit --loglevel=error node-$(NODE_PLATFORM)@$(NODE_VERSION)

$(INSTALLED): package.json package-lock.json | $(NODE_READY)
	@echo "Installing the libraries (npm ci, about 100 MB)"
	@npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
	@touch $@

.PHONY: up
up: $(INSTALLED) ## bring the whole stack up and say what runs where
	@$(if $(wildcard src/models/main.ts),node src/models/main.ts $(if $(CHAT_MODEL),--model "$(CHAT_MODEL)") --fallback demo)
	@node stack/up.ts up

.PHONY: down
down: $(INSTALLED) ## stop everything
	@node stack/up.ts down

.PHONY: status
status: $(INSTALLED) ## who runs, since when, how healthy
	@node stack/up.ts status

.PHONY: logs
logs: $(INSTALLED) ## follow the logs of all services
	@node stack/up.ts logs

.PHONY: model
model: $(INSTALLED) ## fetch the model (MODEL=qwen2.5-0.5b-instruct)
	@NODE_USE_ENV_PROXY=1 node src/models/main.ts $(if $(MODEL),--model "$(MODEL)")

.PHONY: chat
chat: export Q := $(value Q)
chat: $(INSTALLED) ## Q="...": stream an answer, then show its timings and trace id
	@node src/chat.ts

.PHONY: rules
rules: $(INSTALLED) ## write alerting/rules/*.yml from alerting/rules.ts
	@node alerting/rules.ts

.PHONY: check
check: $(INSTALLED) ## format, lint, types, dead code
	oxfmt --check .
	oxlint
	tsc -p .
	knip

.PHONY: format
format: $(INSTALLED) ## write the format that check asks for
	oxfmt .

.PHONY: test
test: check ## everything that proves it, under 10 minutes on 2 cores
	@node stack/native/tools.ts
	vitest run
