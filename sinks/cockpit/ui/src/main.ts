import "./style.css";
import { mount } from "svelte";
import App from "./App.svelte";

interface Policies {
  createPolicy(name: string, rules: { createHTML(text: string): string | null }): unknown;
}

// The chart library empties its own place with innerHTML = "". The policy of the page refuses all markup but that.
const types = (globalThis as { trustedTypes?: Policies }).trustedTypes;
types?.createPolicy("default", { createHTML: (text) => (text === "" ? "" : null) });

const target = document.getElementById("app");
if (target) mount(App, { target });
