/** A text in the two languages of the project. */
export interface Text {
  en: string;
  zh: string;
}
