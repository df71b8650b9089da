#!/usr/bin/env bash
# Prepares what the Makefile needs: `setup.sh node DIR` installs a Node that runs TypeScript into .tools/, `setup.sh oldest-node DIR`
# the oldest Node of otel/package.json for its tests, `setup.sh libraries` the npm packages of the lockfile. Every failure is one message with the problem and what to do.
set -uo pipefail
cd "$(dirname "$0")/.."

readonly node_version=24.21.0
readonly oldest_node_version=22.15.0
readonly log=.tools/setup.log
# Without a network npm fails after seconds instead of minutes.
readonly npm_options=(--no-fund --no-audit --loglevel=error --fetch-retries=1
  --fetch-retry-mintimeout=1000 --fetch-timeout=60000)

say() { # English, Chinese
  case "${LLAMASCOPE_LANG:-${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}}" in zh*) echo "$2" ;; *) echo "$1" ;; esac
}
fail() {
  say "$@" >&2
  exit 1
}

require_npm() {
  command -v node >/dev/null || fail \
    "Not on PATH: node. Install Node.js 20 or later with npm (sudo apt-get install nodejs npm, or https://nodejs.org), then run make again." \
    "PATH 中没有 node。请安装 Node.js 20 或更高版本与 npm（sudo apt-get install nodejs npm，或 https://nodejs.org），然后重试。"
  command -v npm >/dev/null || fail \
    "Not on PATH: npm. Install it (sudo apt-get install npm, or Node.js from https://nodejs.org), then run make again." \
    "PATH 中没有 npm。请安装（sudo apt-get install npm，或从 https://nodejs.org 安装 Node.js），然后重试。"
}

require_space() { # megabytes
  local free
  free=$(($(df -Pk . | awk 'NR == 2 { print $4 }') / 1024))
  ((free >= $1)) || fail \
    "$PWD: expected $1 MB of free disk space, got $free MB. Free some space, then run make again." \
    "$PWD：需要 $1 MB 可用磁盘空间，实际为 $free MB。请清理空间后重试。"
}

# One setup at a time: two `npm ci` in the same folder break each other.
lock() {
  mkdir -p .tools 2>/dev/null && [ -w .tools ] && [ -w . ] || fail \
    "$PWD: no write permission. If another user (root, by sudo?) owns the checkout, run: sudo chown -R \$(id -un) ." \
    "$PWD：没有写权限。如果此目录属于其他用户（例如由 sudo 创建），请运行：sudo chown -R \$(id -un) ."
  command -v flock >/dev/null || return 0
  exec 9>.tools/setup.lock
  flock -n 9 && return
  say "Another make is setting up this checkout. Waiting for it to finish." "另一个 make 正在准备此目录，正在等待它结束。"
  flock 9
}

with_progress() { # command...
  "$@" >"$log" 2>&1 9>&- &
  local job=$! seconds=0
  trap 'kill $job 2>/dev/null; exit 130' INT TERM
  while kill -0 $job 2>/dev/null; do
    sleep 0.2
    seconds=$((seconds + 1))
    if [ -t 1 ]; then
      ((seconds % 5 == 0)) && printf '\r  ... %d s' $((seconds / 5))
    else
      ((seconds % 25 == 0)) && echo "  ... $((seconds / 5)) s"
    fi
  done
  [ -t 1 ] && printf '\r\033[2K'
  trap - INT TERM
  wait $job
}

explain_npm() { # the failed step
  if grep -qE 'ENOSPC' "$log"; then
    fail "$1: the disk is full. Free some space, then run make again." "$1：磁盘已满。请清理空间后重试。"
  elif grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT' "$log"; then
    fail "$1: no answer from $(npm config get registry). Check the network, or use a mirror: npm config set registry URL" \
      "$1：$(npm config get registry) 无响应。请检查网络，或使用镜像：npm config set registry URL"
  elif grep -qE 'EACCES|EPERM|EROFS' "$log"; then
    local denied
    denied=$(grep -m1 -oE "(EACCES|EPERM|EROFS).*" "$log")
    fail "$1: no permission ($denied). If another user owns the checkout, run: sudo chown -R \$(id -un) ." \
      "$1：没有权限（$denied）。如果此目录属于其他用户，请运行：sudo chown -R \$(id -un) ."
  fi
  tail -n 15 "$log" >&2
  fail "$1 failed. npm's output is above and in $log." "$1 失败。npm 的输出见上方，也保存在 $log。"
}

install_node() { # version, the bin folder, why in English, why in Chinese
  lock
  [ -x "$2/node" ] && return
  require_space 200
  say "$3 Installing Node.js $1 into .tools/ (about 45 MB)" "$4正在将 Node.js $1 安装到 .tools/（约 45 MB）"
  local package prefix
  package=$(basename "$(dirname "$2")")
  prefix=${2%%/node_modules/*}
  with_progress npm install --prefix "$prefix" --no-save --no-package-lock --prefer-offline \
    "${npm_options[@]}" "$package@$1" || explain_npm "npm install $package"
}

install_libraries() {
  require_npm
  lock
  local installed=node_modules/.package-lock.json
  # Without the file of the workspace, `npm ci` installs none of its libraries and reports no error.
  [ -f otel/package.json ] || fail "otel/package.json: not found. Restore it, then run make again." \
    "找不到 otel/package.json，请恢复该文件后重试。"
  [ $installed -nt package-lock.json ] && [ $installed -nt package.json ] &&
    [ $installed -nt otel/package.json ] && return
  require_space 700
  say "Installing the libraries (npm ci, about 100 MB)" "正在安装依赖库（npm ci，约 100 MB）"
  with_progress npm ci --ignore-scripts "${npm_options[@]}" || explain_npm "npm ci"
  touch $installed
}

case "${1:-}" in
  node)
    require_npm
    install_node $node_version "$2" "Expected Node.js 22.18 or later, got $(node -v)." \
      "需要 Node.js 22.18 或更高版本，实际为 $(node -v)。"
    ;;
  oldest-node)
    require_npm
    install_node $oldest_node_version "$2" "The tests of otel/ also run on its oldest Node.js." \
      "otel/ 的测试还要在它支持的最低版本上运行。"
    ;;
  libraries) install_libraries ;;
  *) fail "setup.sh: expected node, oldest-node or libraries, got \"${1:-}\"" "setup.sh 的参数无效：“${1:-}”。可选值：node、oldest-node、libraries" ;;
esac
