/**
 * The page: one shell, fed by one stream.
 * @module
 */
import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { App } from "./components/app.tsx";
import { run } from "./models/stream.ts";

render(<App />, document.getElementById("app")!);
void run();
