/** Where the page begins: styles, then the application in its place. */

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/shell.css";
import "./styles/overview.css";
import "./styles/groups.css";
import "./styles/queue.css";
import "./styles/list.css";
import "./styles/job.css";
import "./styles/compare.css";
import "./styles/components.css";
import "./styles/pages.css";
import "./styles/forms.css";
import "./styles/plot.css";

import { render } from "preact";

import { App } from "./app";
import { startLive } from "./live";
import { startRouter } from "./router";
import { loadBoard } from "./state";

startRouter();
void loadBoard();
startLive();

const root = document.getElementById("app");
root?.replaceChildren(); // the server's frame, which was there to be seen until now
if (root) render(<App />, root);
