/** Settings of a conversation (system prompt, temperature, max tokens) and the keys of the service, collapsed by default. */
import type { VNode } from 'preact';
import { credentials } from '../preferences.ts';
import { useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import type { ChatSettings } from './conversations.ts';

interface SettingsFormProps {
  settings: ChatSettings;
  onSettings: (next: ChatSettings) => void;
}

export function SettingsForm({ settings, onSettings }: SettingsFormProps): VNode {
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
        <label>
          {t.maxTokens}
          <input
            type="number"
            min="1"
            max="32768"
            value={maxTokens}
            onInput={(event) => {
              const next = Math.floor(event.currentTarget.valueAsNumber);
              if (next >= 1) onSettings({ ...settings, maxTokens: next });
            }}
          />
        </label>
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
