/** The fingerprint by which Alertmanager identifies an alert. Used by the reconciliation. */

const offset = 14_695_981_039_346_656_037n;
const prime = 1_099_511_628_211n;
const separator = 255;

/**
 * FNV-1a with 64 bits over the sorted labels, as 16 hexadecimal digits.
 * https://github.com/prometheus/common/blob/main/model/signature.go (`labelSetToFingerprint`)
 */
export function fingerprintOf(labels: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(labels).map(
    (label) => label.map((text) => Buffer.from(text)) as [Buffer, Buffer],
  );
  let hash = offset;
  const add = (byte: number): void => {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * prime);
  };
  for (const label of sorted.toSorted(([one], [other]) => one.compare(other))) {
    for (const text of label) {
      for (const byte of text) add(byte);
      add(separator);
    }
  }
  return hash.toString(16).padStart(16, '0');
}
