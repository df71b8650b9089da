/** Problems of settings in Chinese, for the terminal. Programs write them in English, which their logs keep. */

/** A test reads the settings of every program with wrong values, and expects no English. */
const parts: readonly (readonly [RegExp, string])[] = [
  [/^(\S+) and (\S+): expected one of them, got both/, '$1 与 $2：只能设置其中一个'],
  [/^([\w./-]+): /, '$1：'],
  [/expected "auto" or an integer from (\d+) to (\d+)/, '需要 auto 或 $1 到 $2 之间的整数'],
  [/expected an integer from (\d+) to (\d+)/, '需要 $1 到 $2 之间的整数'],
  [
    /expected a port from (\d+) to (\d+), got (\d+) for (\S+)/,
    '需要 $1 到 $2 之间的端口，$4 的端口为 $3',
  ],
  [/expected different ports, (\S+) and (\S+) both have (\d+)/, '端口不能相同，$1 与 $2 都是 $3'],
  [/expected a file with content, (.+) is empty/, '文件 $1 为空'],
  [/expected a readable file, got (\S+) for (.+)/, '无法读取文件 $2（$1）'],
  [/expected an http or https URL/, '需要 http 或 https 地址'],
  [
    /expected a URL such as (\S+) without user, password, query and fragment/,
    '需要不含用户名、密码、查询参数和片段的地址，例如 $1',
  ],
  [/expected a URL such as (\S+)(?=, got)/, '需要地址，例如 $1'],
  [/expected host names such as (\S+), separated by commas/, '需要以逗号分隔的域名，例如 $1'],
  [
    /expected exact origins such as (\S+), separated by commas/,
    '需要以逗号分隔的完整来源（Origin），例如 $1',
  ],
  [
    /expected an address that a container reaches, got one of loopback\. Use (\S+) with a server that listens beyond loopback, or (\S+)/,
    '容器无法访问本机的回环地址。请改用 $1 并让推理服务监听回环以外的地址，或设置 $2',
  ],
  [/expected an IP address or "localhost"/, '需要 IP 地址或 localhost'],
  [/expected an email address/, '需要邮件地址'],
  [/expected an IANA time zone like (\S+)(?=,)/, '需要 IANA 时区，例如 $1'],
  [/expected an IANA time zone(?=, got)/, '需要 IANA 时区'],
  [/expected a duration such as (\S+) or (\S+)(?=,)/, '需要时长，例如 $1 或 $2'],
  [/expected lower case letters, digits, - and _/, '只能使用小写字母、数字、- 和 _'],
  [
    /expected a GGUF file at (.+), found none\. Correct the path, or use one of (.+)\./,
    '没有找到 GGUF 文件 $1。请更正路径，或使用以下之一：$2',
  ],
  [
    /expected (.+) to start with "GGUF", got (.+)\. llama\.cpp cannot read it\./,
    '$1 不是 GGUF 文件（开头为 $2），llama.cpp 无法读取',
  ],
  [
    /expected one of (.+) or the path of a \.gguf file(?=, got)/,
    '需要以下之一，或 GGUF 文件的路径：$1',
  ],
  [/expected one of (.+)(?=, got)/, '需要以下之一：$1'],
  [/expected "?([^" ]+?)"?, "?([^" ]+?)"? or "?([^" ]+?)"?(?=, got|$)/, '需要 $1、$2 或 $3'],
  [/expected "?([^" ]+?)"? or "?([^" ]+?)"?(?=, got|$)/, '需要 $1 或 $2'],
  [/expected (smtps?:\S+) or (smtps?:\S+) on port (\d+)/, '需要 $1，或使用 $3 端口的 $2'],
  [/expected ([A-Z]+=\w+)/, '需要 $1'],
  [
    /required, because (\S+) lets other machines in\. Set it, or (\S+) to serve everyone/,
    '必须设置，因为 $1 允许其他机器访问。请设置它，或用 $2 允许所有人访问',
  ],
  [/required when (.+) is set/, '设置了 $1 时必须设置'],
  [
    /links in messages point to (\S+), which a phone cannot open\. Set it to the address that people use\./,
    '消息中的链接指向 $1，手机无法打开。请设为手机可以访问的地址',
  ],
  [/; times are shown in (\S+)\. (\S+) sets another\./, '；时间按 $1 显示，可用 $2 更改'],
  [/required$/, '必填'],
  [
    /expected (\d+ MB) of free disk space, got (\d+ MB)\. Free some space, or set (\w+)/,
    '需要 $1 可用磁盘空间，实际为 $2。请清理空间，或设置 $3',
  ],
  [/expected a file of (\d+) bytes(?=, got)/, '需要 $1 字节的文件'],
  [/expected (\d+) bytes(?=, got)/, '需要 $1 字节'],
  [/expected sha256 (?=\w+, got)/, '需要 sha256 '],
  [/, got something else \(not shown\)/, '，实际取值不符（内容不显示）'],
  [/, got (.+?)\.?$/, '，实际为 $1'],
];

/** Parts without a pattern stay English. */
export function problemInChinese(problem: string): string {
  return parts.reduce((text, [part, chinese]) => text.replace(part, chinese), problem);
}
