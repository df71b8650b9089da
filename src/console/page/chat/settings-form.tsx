/** Settings of a conversation (system prompt, temperature, max tokens) and the keys of the service, collapsed by default. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { credentials } from '../preferences.ts';
import { useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import type { ChatSettings } from './conversations.ts';

/** Until the service has told its own. */
const usualContextTokens = 32_768;

interface SettingsFormProps {
  settings: ChatSettings;
  onSettings: (next: ChatSettings) => void;
  contextTokens: number | undefined;
}

export function SettingsForm({ settings, onSettings, contextTokens }: SettingsFormProps): VNode {
  const t = useTexts();
  const keys = useStore(credentials);
  const { system, temperature, maxTokens } = settings;
  return (
    <details class="settings">
      <summary>
        {t.settings}
        <span class="hint">
          {t.temperature} {temperature} · {t.maxTokens} {maxTokens}
          {system.trim() !== '' && ` · ${t.systemPrompt}`}
        </span>
      </summary>
      <div class="settings-fields">
        <label class="across">
          {t.systemPrompt}
          <textarea
            rows={2}
            dir="auto"
            value={system}
            onInput={(event) => onSettings({ ...settings, system: event.currentTarget.value })}
          />
        </label>
        {/* `for`: else the label would belong to the output. */}
        <label for="temperature">
          <span>
            {t.temperature} <output>{temperature}</output>
          </span>
          <input
            id="temperature"
            type="range"
            min="0"
            max="2"
            step="0.1"
            value={temperature}
            onInput={(event) =>
              onSettings({ ...settings, temperature: event.currentTarget.valueAsNumber })
            }
          />
        </label>
        <MaxTokens
          value={maxTokens}
          most={contextTokens ?? usualContextTokens}
          onChange={(next) => onSettings({ ...settings, maxTokens: next })}
        />
        {(['apiKey', 'metricsToken'] as const).map((name) => (
          <label key={name}>
            {t[name]}
            <input
              type="password"
              autocomplete="off"
              value={keys[name]}
              onInput={({ currentTarget }) =>
                credentials.set({ ...keys, [name]: currentTarget.value.trim() })
              }
            />
          </label>
        ))}
      </div>
    </details>
  );
}

interface MaxTokensProps {
  value: number;
  most: number;
  onChange: (next: number) => void;
}

/** A number that cannot be used is not taken over, and the field says so. */
function MaxTokens({ value, most, onChange }: MaxTokensProps): VNode {
  const t = useTexts();
  /** What is typed, as long as it cannot be used. */
  const [refused, setRefused] = useState<string>();
  const change = (text: string): void => {
    const next = Number(text);
    const isUsable = text.trim() !== '' && Number.isInteger(next) && next >= 1 && next <= most;
    setRefused(isUsable ? undefined : text);
    if (isUsable) onChange(next);
  };
  return (
    <label>
      {t.maxTokens}
      <input
        type="number"
        inputMode="numeric"
        min="1"
        max={most}
        value={refused ?? value}
        aria-invalid={refused !== undefined}
        aria-describedby="max-tokens-range"
        onInput={(event) => change(event.currentTarget.value)}
      />
      <span id="max-tokens-range" class="range" role="status">
        {refused !== undefined && t.maxTokensRange(most, value)}
      </span>
    </label>
  );
}
