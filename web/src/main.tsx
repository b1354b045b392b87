import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/types.css";
import "./styles/shell.css";
import "./styles/work.css";
import "./styles/dock.css";
import "./styles/notices.css";
import "./styles/home.css";
import "./styles/gallery.css";
import "./styles/look.css";
import "./styles/form.css";
import "./styles/phone.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
