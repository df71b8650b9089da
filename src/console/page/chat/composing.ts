/** Whether a key belongs to an input method (Chinese, Japanese). Safari ends the composition before the key, whose code is 229 then. */
export function isComposing(event: KeyboardEvent): boolean {
  // oxlint-disable-next-line typescript/no-deprecated -- Safari has no other sign
  return event.isComposing || event.keyCode === 229;
}
