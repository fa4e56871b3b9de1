#!/usr/bin/env bash
# Runs a sweep on the nodes of a Slurm job; arguments are those of `clt-ray run`.
#
#   sbatch --nodes=4 --gpus-per-node=8 --time=24:00:00 deploy/slurm/sweep.sh sweeps/smoke.yaml --storage /shared/clt-runs
#
#SBATCH --job-name=clt-ray
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --signal=B:USR1@300
set -euo pipefail

# shellcheck source=/dev/null
source "${CLT_RAY_ENVIRONMENT:-.venv}/bin/activate"

# One token for the nodes of this job, in a private file of the folder that all nodes share.
umask 077
private=$(mktemp -d "${SLURM_SUBMIT_DIR:-$PWD}/.clt-ray-job.XXXXXX")
trap 'rm -rf "$private"' EXIT
openssl rand -hex 32 > "$private/token"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$private/token

nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
first=$(head -n 1 <<< "$nodes")
address=$(getent ahostsv4 "$first" | awk 'NR == 1 { print $1 }'):6379

# Slurm sends USR1 to this script five minutes before the time is over. The sweep, which runs on this node, is then asked
# to write checkpoints and to end (a background process ignores the signal of Ctrl-C); Ray on the other nodes has to go on
# until it has.
trap 'kill -TERM "$(cat "$private/pid")"' USR1
# --wait 0: the other nodes end when the first has ended Ray, whenever that is.
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --wait=0 \
    ray symmetric-run --address "$address" --min-nodes "$SLURM_JOB_NUM_NODES" -- \
    bash -c 'echo $$ > "$0"; exec clt-ray run "$@" --address auto' "$private/pid" "$@" &
step=$!
# A signal ends `wait`, and not what it waits for.
status=0
while kill -0 "$step" 2> /dev/null; do
    status=0
    wait "$step" || status=$?
done
exit "$status"
