"""kerasfusion completion."""

import click
from click.shell_completion import get_completion_class

PROGRAM, VARIABLE = "kerasfusion", "_KERASFUSION_COMPLETE"
"""The variable's name is click's own: the program's in capitals; with it set, the program answers the shell."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx, shell: str):
    """Print the script that lets SHELL complete commands and options with the tab key.

    \b
    bash: kerasfusion completion bash > ~/.kerasfusion-complete.bash
          and in ~/.bashrc: . ~/.kerasfusion-complete.bash       (bash 4.4 or newer)
    zsh:  kerasfusion completion zsh > ~/.kerasfusion-complete.zsh
          and in ~/.zshrc, after compinit: . ~/.kerasfusion-complete.zsh
    fish: kerasfusion completion fish > ~/.config/fish/completions/kerasfusion.fish

    Then open a new shell. The script asks `kerasfusion`, which has to be on the path: activate the environment, or add
    its folder.

    Example: kerasfusion completion bash
    """
    main = ctx.find_root().command
    click.echo(get_completion_class(shell)(main, {}, PROGRAM, VARIABLE).source())
