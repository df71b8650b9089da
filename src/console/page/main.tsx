/** Entry point of the page. */
import { render } from 'preact';
import { App } from './app.tsx';
import { applyPreferences, language, theme } from './preferences.ts';

applyPreferences();
language.subscribe(applyPreferences);
theme.subscribe(applyPreferences);

const page = document.querySelector('#page')!;
page.replaceChildren();
render(<App />, page);
